import Broker
import Model
import Testing

/// A client that keeps its cursors as the protocol says, and notes what breaks the promise.
private final class Reader {
    let index: UInt32
    let filters: [TopicFilter]
    /// Whether only messages with `"n": 1` are asked for.
    let isChoosy: Bool
    let ledger: TestLedger
    var connection: ConnectionID?
    /// How many of this connection's subscriptions were not answered yet.
    var missingAnswers = 0
    /// What it has seen, across its connections.
    var places: [TopicName: Cursor] = [:]
    var given: [TopicName: Set<UInt64>] = [:]
    var complaints: [String] = []

    init(index: UInt32, filters: [TopicFilter], isChoosy: Bool, ledger: TestLedger) {
        self.index = index
        self.ledger = ledger
        self.filters = filters
        self.isChoosy = isChoosy
    }

    func hear(_ reply: Reply) {
        guard case .subscribed(_, let cursors, _, _) = reply else {
            complaints.append("unexpected \(Words.of(reply))")
            return
        }
        missingAnswers -= 1
        for (name, cursor) in cursors where places[name] == nil { places[name] = cursor }
    }

    func hear(_ notice: Notice) {
        switch notice {
        case .event(let item): take(item)
        case .cursor(let name, let cursor):
            for (partition, offset) in cursor.sorted { pass(name, partition, to: offset) }
        case .gap(let name, let gap):
            let seen = places[name, default: Cursor()][gap.partition]
            if gap.from != seen + 1 { complaints.append("\(Words.of(notice)) after \(seen)") }
            for offset in gap.from...gap.to {
                guard let item = ledger.message(name, gap.partition, offset) else { continue }
                if !ledger.expired.contains(item.sequence) { complaints.append("\(Words.of(notice)), yet it is there") }
            }
            places[name, default: Cursor()].advance(gap.partition, to: gap.to)
        case .opened: break
        case .subscriptionEnded, .refused, .figures, .figuresEnded, .tokenExpiring, .draining, .presence, .presenceCount,
            .typing, .request, .work:
            complaints.append("unexpected \(Words.of(notice))")
        }
    }

    /// Only what is silent, or was not asked for, may be passed over.
    private func pass(_ name: TopicName, _ partition: Partition, to offset: UInt64) {
        let seen = places[name, default: Cursor()][partition]
        guard offset > seen else { return complaints.append("a cursor of \(name) goes back from \(seen) to \(offset)") }
        for each in seen + 1...offset {
            let item = ledger.message(name, partition, each)
            if item.map({ $0.isSilent || (isChoosy && !isWanted($0)) }) != true {
                complaints.append("\(name) \(Words.of(partition)):\(each) was passed over")
            }
        }
        places[name, default: Cursor()].advance(partition, to: offset)
    }

    private func isWanted(_ item: Sequenced) -> Bool { item.record.message!.payload == Array(#"{"n":1}"#.utf8) }

    private func take(_ item: Sequenced) {
        let message = item.record.message!
        let partition = item.record.partition(of: message)
        let seen = places[message.topic, default: Cursor()][partition]
        if message.offset != seen + 1 { complaints.append("\(Words.of(.event(item))) after \(seen)") }
        if !given[message.topic, default: []].insert(item.sequence).inserted {
            complaints.append("\(Words.of(.event(item))) twice")
        }
        if isChoosy, !isWanted(item) { complaints.append("\(Words.of(.event(item))) was not asked for") }
        if item.isSilent { complaints.append("\(Words.of(.event(item))) is silent") }
        places[message.topic, default: Cursor()].advance(partition, to: message.offset)
    }
}

/// Random interleavings of everything that bears on delivery.
private struct Interleaving {
    let bench: Bench
    var random: RandomSource
    var readers: [Reader] = []
    var topicCount = 0

    init(seed: UInt64) {
        random = RandomSource(seed: seed)
        var settings = ShardSettings()
        settings.pageMessages = Int.random(in: 1...4, using: &random)
        settings.recentMessages = Int.random(in: 1...6, using: &random)
        settings.catchUpsPerConnection = Int.random(in: 1...3, using: &random)
        bench = Bench(settings: settings)
        let shapes: [[String]] = [["t0"], ["#"], ["t0", "t1"], ["t0", "#"], ["+", "t1"], ["t1"]]
        for (index, shape) in shapes.enumerated() {
            for isChoosy in [false, true] {
                readers.append(
                    Reader(
                        index: UInt32(index * 2 + (isChoosy ? 1 : 0)), filters: shape.map(filter), isChoosy: isChoosy,
                        ledger: bench.ledger))
            }
        }
        let readers = readers
        bench.onNotice = { connection, notice in
            let reader = readers[Int(connection.index)]
            if let current = reader.connection, current != connection {
                reader.complaints.append("told after the close")
            }
            reader.hear(notice)
        }
        bench.onReply = { connection, reference, reply in
            if reference.method == "subscribe" { readers[Int(connection.index)].hear(reply) }
        }
        for _ in 0..<2 { createTopic() }
    }

    mutating func step() {
        let reader = readers.randomElement(using: &random)!
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<30: publish()
        case 30..<45: bench.deliver()
        case 45..<65:
            if !bench.reads.isEmpty { bench.answerRead(bench.reads.indices.randomElement(using: &random)!) }
        case 65..<70:
            bench.ledger.appended = UInt64.random(in: bench.ledger.appended...bench.ledger.sequence, using: &random)
        case 70..<75: if !bench.interests.isEmpty { bench.confirm() }
        case 75..<82: attach(reader)
        case 82..<84: detach(reader)
        case 84..<89:
            guard let connection = reader.connection else { return }
            bench.congest(connection)
        case 89..<95:
            guard let connection = reader.connection else { return }
            bench.drain(connection)
        case 95..<97: bench.wait(.milliseconds(Int.random(in: 0...9_000, using: &random)))
        case 97..<98: expire()
        default: if topicCount < 5 { createTopic() }
        }
    }

    /// Lets everything come to rest with every reader attached and able to take what comes.
    mutating func finish() {
        for reader in readers {
            attach(reader)
            bench.drain(reader.connection!)
        }
        bench.deliver()
        bench.settle()
        bench.wait(.seconds(10))
        bench.settle()
        bench.wait(.seconds(10))
    }

    /// What is wrong in the end.
    func complaints() -> [String] {
        readers.flatMap { reader -> [String] in
            var complaints = reader.complaints
            if reader.missingAnswers != 0 { complaints.append("\(reader.missingAnswers) answers are missing") }
            for name in (0..<topicCount).map({ topic("t\($0)") })
            where reader.filters.contains(where: { $0.matches(name) }) {
                let (place, head) = (reader.places[name] ?? Cursor(), bench.ledger.head(name))
                if place != head { complaints.append("\(name) ends at \(Words.of(place)), not \(Words.of(head))") }
            }
            return complaints.map { "reader \(reader.index): \($0)" }
        }
    }

    private mutating func createTopic() {
        bench.create("t\(topicCount)")
        topicCount += 1
    }

    private mutating func publish() {
        let name = "t\(Int.random(in: 0..<topicCount, using: &random))"
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let payload = #"{"n":\#(Int.random(in: 0...1, using: &random))}"#
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5: bench.publish(name, payload)
            case 5..<8: bench.ledger.publishRemotely(topic(name), payload)
            case 8: bench.ledger.publishRemotely(topic(name), payload, from: 3, isSilent: true)
            default: bench.ledger.publishRemotely(topic(name), payload, from: 3, lost: 2)
            }
        }
    }

    private mutating func expire() {
        guard bench.ledger.sequence > 0 else { return }
        bench.ledger.expire(UInt64.random(in: 1...bench.ledger.sequence, using: &random))
    }

    private mutating func attach(_ reader: Reader) {
        guard reader.connection == nil else { return }
        let connection = bench.open(reader.index)
        reader.connection = connection
        reader.missingAnswers = reader.filters.count
        let since: Command.Since? = reader.places.isEmpty ? nil : .cursors(reader.places)
        let conditions: [Command.Condition] = reader.isChoosy ? [.field("n", equals: [UInt8(ascii: "1")])] : []
        // Several filters with a start each would each begin anew in a topic that both match; they begin now instead.
        let command = Command.subscribe(
            Command.Subscribe(
                filters: reader.filters, conditions: conditions, since: reader.filters.count == 1 ? since : nil))
        if reader.filters.count > 1 { (reader.places, reader.given) = ([:], [:]) }
        bench.run {
            $0.receive(
                Request(reference: RequestReference(id: nil, method: "subscribe"), command: command), from: connection,
                ledger: bench.ledger, at: bench.now, into: &$1)
        }
    }

    private mutating func detach(_ reader: Reader) {
        guard let connection = reader.connection else { return }
        bench.close(connection)
        reader.connection = nil
    }
}

@Suite("Delivery under random interleavings")
struct DeliveryPropertyTests {
    @Test("gives every reader every message once and in order, or says what is lost", arguments: 0..<20)
    func exactlyOnce(block: UInt64) {
        for seed in block * 5..<block * 5 + 5 {
            var interleaving = Interleaving(seed: seed)
            for _ in 0..<400 { interleaving.step() }
            interleaving.finish()
            let complaints = interleaving.complaints()
            #expect(complaints.isEmpty, "seed \(seed): \(complaints.prefix(5))")
        }
    }
}
