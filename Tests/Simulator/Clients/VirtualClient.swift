import JSON
import Model

/// A client that speaks the native dialect: it follows topics by cursor, moves to another node when its own dies, and
/// checks that it misses nothing and gets nothing twice.
package final class VirtualClient: VirtualPeer {
    package let name: String
    private unowned let world: World
    private var random: RandomSource
    /// What it follows, by topic.
    private var followed: [TopicName: FollowedTopic] = [:]
    /// A filter with a wildcard that it follows, from the first message of each topic.
    private var wildcard: String?
    private var connection: VirtualConnection?
    private var isWanted = true
    /// The node that it is attached to.
    package private(set) var node: Int?
    /// Counts its connections.
    package private(set) var connectionCount = 0
    /// How long it takes for each text that it gets.
    package var slowness: Duration = .zero
    /// What was done wrong to it.
    package private(set) var violations: [String] = []
    /// Whether gaps are a violation.
    package var forbidsGaps = true
    private var publishing: Publishing

    package init(_ name: String, in world: World) {
        self.name = name
        self.world = world
        random = world.random.split()
        publishing = Publishing(client: name)
    }

    /// Attaches to a node, or any running one; tries again while none runs.
    package func attach(to wanted: Int? = nil) {
        guard connection == nil, isWanted else { return }
        let running = world.nodes.filter(\.isRunning).map(\.index)
        guard let target = wanted ?? running.randomElement(using: &random), let process = world.nodes[target].process,
            let front = process.front
        else {
            return world.after(.milliseconds(100)) { [weak self] in self?.attach() }
        }
        connectionCount += 1
        node = target
        world.note("client attaches", node: target, UInt64(connectionCount))
        let connection = front.accept(self)
        connection.slowness = slowness
        self.connection = connection
        if wildcard != nil { subscribeWildcard() } else { for topic in followed.keys.sorted() { subscribe(topic) } }
        for text in publishing.unanswered(on: connectionCount) { connection.send(text) }
    }

    /// Leaves for good.
    package func leave() {
        isWanted = false
        connection?.close()
        connection = nil
    }

    /// Goes to another node of its own accord.
    package func move() {
        connection?.close()
        connection = nil
        attach()
    }

    /// Follows a topic, from its first message or from now on.
    package func follow(_ topic: TopicName, fromBeginning: Bool = true) {
        followed[topic] = FollowedTopic(fromBeginning: fromBeginning)
        if connection != nil { subscribe(topic) }
    }

    /// Follows every topic that a filter matches, those of the future too, from their first messages.
    package func followAll(_ filter: String) {
        wildcard = filter
        if connection != nil { subscribeWildcard() }
    }

    /// Publishes a message with an id, and again on the next node until it is acknowledged.
    package func publish(_ topic: TopicName, level: String = "stored") {
        let text = publishing.publish(topic, level: level, on: connectionCount)
        connection?.send(text)
    }

    /// What it got of a topic.
    package func state(of topic: TopicName) -> FollowedTopic? { followed[topic] }

    /// Whether it got a message.
    package func got(_ payload: String, of topic: TopicName) -> Bool {
        followed[topic]?.payloads.contains(payload) ?? false
    }

    /// How many messages it has published, acknowledged or not.
    package var publishedCount: Int { publishing.lastNumber }

    /// How many of its messages are not acknowledged.
    package var unansweredCount: Int { publishing.count }

    /// Its messages that were acknowledged on the connection on which they were first sent, by that connection.
    package var undisturbed: [Int: [String]] { publishing.undisturbed }

    func received(_ text: [UInt8], on connection: VirtualConnection) {
        guard connection === self.connection else { return }
        let view: JSONView
        do { view = try JSONView(parsing: text) } catch { return violate("a text is no JSON: \(error)") }
        let fields = Dictionary(view.members().map { ($0.key, $0.value) }) { first, _ in first }
        switch fields["type"]?.string {
        case "session", "pong": break
        case "response": answered(fields)
        case "event", "gap", "cursor": told(fields)
        case let type: violate("a text of type \(type ?? "none")")
        }
    }

    func disconnected(from connection: VirtualConnection) {
        guard connection === self.connection else { return }
        self.connection = nil
        node = nil
        world.after(.milliseconds(Int64.random(in: 1...500, using: &random))) { [weak self] in self?.attach() }
    }

    private func subscribe(_ topic: TopicName) {
        guard let state = followed[topic] else { return }
        connection?.send(
            #"{"id":"subscribe/\#(topic)","method":"subscribe","attributes":"#
                + #"{"topicName":"\#(topic)","since":\#(state.since)}}"#
        )
    }

    private func subscribeWildcard() {
        guard let wildcard else { return }
        let cursors = followed.sorted { $0.key < $1.key }.map { #""\#($0.key)":\#($0.value.since)"# }
        let since = cursors.isEmpty ? #""beginning""# : "{" + cursors.joined(separator: ",") + "}"
        connection?.send(
            #"{"id":"wildcard","method":"subscribe","attributes":{"topicName":"\#(wildcard)","since":\#(since)}}"#)
    }

    private func beganWildcard(_ data: JSONView) {
        for (key, value) in data.members() where key == "cursor" {
            for (text, cursor) in value.members() {
                guard let topic = Self.topic(text) else { return violate("a cursor of no topic") }
                followed[topic, default: FollowedTopic(fromBeginning: true)].began(at: Self.cursor(cursor), missed: 0)
            }
        }
    }

    private func answered(_ fields: [String: JSONView]) {
        guard let id = fields["id"]?.string else { return violate("a response without an id") }
        let isOK = fields["ok"]?.bool == true
        if id == "wildcard" {
            guard isOK, let data = fields["data"] else { return violate("a wildcard was refused") }
            return beganWildcard(data)
        }
        guard id.hasPrefix("subscribe/") else {
            guard let outcome = publishing.answered(id, isOK: isOK) else { return }
            guard isOK else { return again(id) }
            if outcome.level != "accepted", let node {
                world.book.told(
                    Book.Promise(
                        topic: outcome.topic, payload: outcome.payload, node: node,
                        isReplicated: outcome.level == "replicated"))
            }
            return
        }
        guard let name = Self.topic(String(id.dropFirst(10))) else { return violate("an answer to no subscription") }
        guard isOK, let data = fields["data"] else {
            // The topic may not have come to this node yet.
            return world.after(.milliseconds(100)) { [weak self] in self?.subscribe(name) }
        }
        let members = Dictionary(data.members().map { ($0.key, $0.value) }) { first, _ in first }
        let missed = members["missed"]?.unsigned ?? 0
        if missed > 0, forbidsGaps { violate("\(name) missed \(missed) messages") }
        followed[name]?.began(at: members["cursor"].map(Self.cursor) ?? Cursor(), missed: missed)
    }

    /// Sends a refused message again, a little later.
    private func again(_ id: String) {
        world.after(.milliseconds(200)) { [weak self] in
            guard let self, let connection, let text = publishing.text(of: id, on: connectionCount) else { return }
            connection.send(text)
        }
    }

    private func told(_ fields: [String: JSONView]) {
        guard let text = fields["topic"]?.string, let topic = Self.topic(text) else {
            return violate("news of no topic")
        }
        if followed[topic] == nil {
            guard wildcard != nil else { return violate("news of a topic that it does not follow") }
            followed[topic] = FollowedTopic(fromBeginning: true)
            followed[topic]!.began(at: Cursor(), missed: 0)
        }
        let place = fields["partition"]?.string.flatMap { Partition($0) }
        let problem: String?
        switch fields["type"]?.string {
        case "event":
            guard let place, let offset = fields["offset"]?.unsigned, let data = fields["data"]?.string else {
                return violate("an event without a place")
            }
            problem = followed[topic]!.received(data, at: place, offset, session: connectionCount)
        case "gap":
            guard let place, let from = fields["from"]?.unsigned, let to = fields["to"]?.unsigned else {
                return violate("a gap without a place")
            }
            if forbidsGaps { violate("\(topic) has a gap: \(place) \(from)-\(to) \(fields["reason"]?.string ?? "")") }
            problem = followed[topic]!.lost(place, from: from, to: to)
        default:
            followed[topic]!.passed(fields["cursor"].map(Self.cursor) ?? Cursor())
            problem = nil
        }
        if let problem { violate("\(topic): \(problem)") }
    }

    private func violate(_ text: String) {
        world.note("violation", node: node ?? -1)
        violations.append(
            "\(name) on node \(node ?? -1), connection \(connectionCount), "
                + "at \(world.now.nanoseconds / 1_000) us: \(text)"
        )
    }

    private static func topic(_ text: String) -> TopicName? {
        do { return try TopicName(text) } catch { return nil }
    }

    private static func cursor(_ view: JSONView) -> Cursor {
        var cursor = Cursor()
        for (key, value) in view.members() {
            if let partition = Partition(key), let offset = value.unsigned { cursor.advance(partition, to: offset) }
        }
        return cursor
    }
}
