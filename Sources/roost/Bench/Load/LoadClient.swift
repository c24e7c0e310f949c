import Glibc
import WebSocket

/// Every connection of a load on one thread, which waits for all of them by epoll and reads into one buffer.
///
/// A delivery costs it a search for a tilde and a row of a table; nothing is allocated for one. It expects every
/// message whole in one frame.
struct LoadClient: ~Copyable {
    /// Who does what.
    let plan: LoadPlan
    /// What else it takes.
    let settings: LoadSettings
    /// What was published and what came.
    var ledger: DeliveryLedger
    /// What happened to connections, and how much was read.
    var tally = LoadTally()

    var poller: Poller
    /// Publishers first, then subscribers.
    var connections: [LoadConnection]
    /// Opened again at a time: the places of connections that failed, or were told to ask again.
    var postponed: [(due: UInt64, index: Int)] = []
    /// How many connections are not closed and not ready.
    var unfinished = 0
    /// The places of connections that became ready since they were last counted.
    var becameReady: [Int] = []

    private let places: [String: SocketAddress]
    private let topics: [String]
    private var streams: [Outgoing]
    private let buffer: UnsafeMutableRawBufferPointer
    private var nextStream = 0
    private var touched: Set<Int> = []

    /// The most bytes of one read.
    private static let readSize = 256 << 10
    /// The most bytes that a frame may have: 16 MiB, more than any answer.
    private static let frameLimit = 16 << 20

    /// A stream's publish as it is sent, but for its number.
    private struct Outgoing {
        let publisher: Int
        var payload: [UInt8]
        let place: Int
    }

    /// - Parameter window: the most messages that will be in flight.
    init(_ plan: LoadPlan, _ settings: LoadSettings, window: Int) throws(CommandFailure) {
        var places: [String: SocketAddress] = [:]
        for address in settings.publisherAddresses + settings.subscriberAddresses {
            places[address.description] = try SocketAddress(address)
        }
        poller = try Poller()
        self.places = places
        self.plan = plan
        self.settings = settings
        ledger = DeliveryLedger(plan, window: window)
        buffer = .allocate(byteCount: Self.readSize, alignment: 16)
        let prefix = "bench/\(String(UInt32.random(in: 0...UInt32.max), radix: 36))"
        let topics = (0..<plan.topics).map { "\(prefix)/\($0)" }
        self.topics = topics
        streams = plan.streams.enumerated().map { index, stream in
            let message = Stamp.message(stream: index, size: settings.messageSize)
            let payload = settings.tongue.publish(message, to: topics[stream.topic])
            return Outgoing(publisher: stream.publisher, payload: payload, place: Stamp.place(in: payload))
        }
        let publishers = (0..<plan.publishers).map {
            LoadConnection(
                role: .publisher, ordinal: $0,
                address: settings.publisherAddresses[$0 % settings.publisherAddresses.count])
        }
        let subscribers = (0..<plan.subscribers).map {
            LoadConnection(
                role: .subscriber, ordinal: $0,
                address: settings.subscriberAddresses[$0 % settings.subscriberAddresses.count])
        }
        connections = publishers + subscribers
    }

    deinit { buffer.deallocate() }

    /// The connections that publish.
    var publishers: Range<Int> { 0..<plan.publishers }
    /// The connections that subscribe.
    var subscribers: Range<Int> { plan.publishers..<connections.count }

    /// The topics of a connection.
    func topics(of connection: LoadConnection) -> [String] {
        switch connection.role {
        case .subscriber: [topics[plan.topic(of: connection.ordinal)]]
        // The first makes every topic, also those of others.
        case .publisher where connection.ordinal == 0 && !settings.tongue.isPublisherBoundToTopic: topics
        case .publisher: plan.topics(of: connection.ordinal).map { topics[$0] }
        }
    }

    /// Where a connection's socket goes.
    func place(of connection: LoadConnection) -> SocketAddress {
        guard let place = places[connection.address.description] else {
            preconditionFailure("every address was looked up")
        }
        return place
    }

    // MARK: Sending

    /// Puts the next message of the next stream into its publisher's bytes; whether there was room to.
    mutating func publish(since: UInt64) -> Bool {
        let stream = nextStream
        guard let number = ledger.next(stream) else { return false }
        nextStream = stream + 1 == streams.count ? 0 : stream + 1
        ledger.publishes(stream, since: since)
        Stamp.number(number, in: &streams[stream].payload, at: streams[stream].place)
        let publisher = streams[stream].publisher
        FrameEncoder.frame(
            settings.tongue.sendsText ? .text : .binary, streams[stream].payload[...], mask: Self.mask,
            into: &connections[publisher].outgoing)
        touched.insert(publisher)
        return true
    }

    /// Sends what was published since the last time, with one call for each publisher.
    mutating func flushPublishers() throws(CommandFailure) {
        for publisher in touched { try flush(publisher) }
        touched.removeAll(keepingCapacity: true)
    }

    /// Says something on a connection.
    mutating func say(_ frames: [[UInt8]], on index: Int) throws(CommandFailure) {
        for frame in frames {
            FrameEncoder.frame(
                settings.tongue.sendsText ? .text : .binary, frame[...], mask: Self.mask,
                into: &connections[index].outgoing)
        }
        try flush(index)
    }

    /// Sends what waits on a connection, and has the poller tell when there is room for the rest.
    mutating func flush(_ index: Int) throws(CommandFailure) {
        let descriptor = connections[index].descriptor
        guard descriptor >= 0 else { return }
        let isDone = connections[index].flush()
        guard isDone == connections[index].awaitsRoom else { return }
        connections[index].awaitsRoom = !isDone
        try poller.change(descriptor, token: index, writable: !isDone)
    }

    /// Drawn anew for each frame (RFC 6455 §5.3).
    private static var mask: MaskingKey { MaskingKey(word: .random(in: 0...UInt32.max)) }

    // MARK: Receiving

    /// Reads from a connection once, and takes what is whole.
    mutating func read(_ index: Int) throws(CommandFailure) {
        let count = recv(connections[index].descriptor, buffer.baseAddress, buffer.count, 0)
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            return try ended(index, count == 0 ? "the broker ended it" : String(cString: strerror(errno)))
        }
        let now = LoadClock.now
        tally.reads += 1
        tally.bytes += count
        if connections[index].carry.isEmpty {
            let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            let taken = try take(bytes, on: index, at: now)
            guard taken < count, connections[index].descriptor >= 0 else { return }
            connections[index].carry.append(contentsOf: bytes[taken...])
        } else {
            var carry: [UInt8] = []
            swap(&carry, &connections[index].carry)
            carry.append(contentsOf: buffer[..<count])
            let taken = try carry.withUnsafeBufferPointer { (bytes) throws(CommandFailure) -> Int in
                try take(UnsafeRawBufferPointer(bytes), on: index, at: now)
            }
            guard connections[index].descriptor >= 0 else { return }
            carry.removeFirst(taken)
            swap(&carry, &connections[index].carry)
        }
    }

    /// Takes the frames that are whole, or first the response of the handshake; says how many bytes they had.
    private mutating func take(
        _ bytes: UnsafeRawBufferPointer, on index: Int, at now: UInt64
    ) throws(CommandFailure) -> Int {
        var position = 0
        if case .shaking = connections[index].phase {
            guard let end = try shake(bytes, on: index) else { return 0 }
            position = end
        }
        while connections[index].descriptor >= 0 {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
            let parsed: FrameHeader?
            do throws(ProtocolViolation) {
                parsed = try FrameHeader.parse(rest, for: .client, allowedBits: 0)
            } catch {
                throw .broken("the broker broke the WebSocket protocol: \(error.reason)")
            }
            guard let header = parsed else { break }
            guard header.payloadCount <= Self.frameLimit else { throw .broken("the broker sent a frame too large") }
            let end = header.count + header.payloadCount
            guard end <= rest.count else { break }
            position += end
            try frame(header.opcode, UnsafeRawBufferPointer(rebasing: rest[header.count..<end]), on: index, at: now)
        }
        return position
    }

    private mutating func frame(
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, on index: Int, at now: UInt64
    ) throws(CommandFailure) {
        switch opcode {
        case .text, .binary, .continuation:
            if index >= plan.publishers, deliver(payload, to: index - plan.publishers, at: now) { return }
            for notice in settings.tongue.read(Array(payload)) { try heard(notice, on: index) }
        case .ping:
            FrameEncoder.pong(Array(payload), mask: Self.mask, into: &connections[index].outgoing)
            try flush(index)
        case .pong: break
        case .close:
            let code = payload.count >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : 1005
            try ended(index, "closed with \(code) \(String(decoding: payload.dropFirst(2), as: UTF8.self))")
        }
    }

    /// Enters every message of a frame; whether there was one.
    private mutating func deliver(_ payload: UnsafeRawBufferPointer, to subscriber: Int, at now: UInt64) -> Bool {
        var position = 0
        while let found = Stamp.find(in: payload, from: position, size: settings.messageSize) {
            ledger.delivered(found, to: subscriber, at: now)
            position = found.end
        }
        return position > 0
    }
}

/// What happened beside the messages.
struct LoadTally: Equatable, Sendable {
    /// Calls that read bytes.
    var reads = 0
    /// Bytes that were read.
    var bytes = 0
    /// Connections that the broker ended after they were ready.
    var ended = 0
    /// Why it ended the last of them.
    var lastEnd = ""
    /// Attempts that the broker turned away because it has too much to do, or did not answer.
    var turnedAway = 0
    /// Notices that messages are gone for good.
    var gaps = 0
    /// Messages that were due but held back, because too many were on their way.
    var heldBack = 0
}
