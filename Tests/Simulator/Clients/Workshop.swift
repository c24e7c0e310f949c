import JSON
import Model

/// One group of one topic: members on every node who acknowledge or forget, and publishers who wait for `replicated`.
package final class Workshop {
    private unowned let world: World
    let topic: TopicName
    private var random: RandomSource
    private var members: [WorkshopMember] = []
    private var publishers: [WorkshopPublisher] = []
    /// How often a member forgets to acknowledge.
    package var forgetfulness = 0.0
    /// How often each message was given to somebody.
    package private(set) var given: [String: Int] = [:]
    /// What was acknowledged by a member whose word arrived, as far as the member knows.
    package private(set) var done: Set<String> = []
    /// What publishers were promised.
    package private(set) var promised: Set<String> = []
    private var count = 0

    package init(of topic: TopicName, in world: World) {
        self.world = world
        self.topic = topic
        random = world.random.split()
    }

    /// Lets a member come to a running node.
    package func join(on node: Int) {
        guard let front = world.nodes[node].process?.front else { return }
        let member = WorkshopMember(shop: self, topic: topic)
        members.append(member)
        member.connection = front.accept(member)
    }

    /// Lets one of the members go, with whatever it has.
    package func leave() {
        guard let index = members.indices.randomElement(using: &random) else { return }
        members.remove(at: index).connection?.close()
    }

    /// Publishes so many messages on a running node, with `ack: replicated`.
    package func publish(_ number: Int, on node: Int) {
        guard let front = world.nodes[node].process?.front else { return }
        let publisher = WorkshopPublisher(shop: self)
        publishers.append(publisher)
        publisher.connection = front.accept(publisher)
        for _ in 0..<number {
            count += 1
            publisher.connection?.send(
                #"{"id":"m\#(count)","method":"publish","attributes":{"topicName":"\#(topic)","message":"m\#(count)","ack":"replicated"}}"#)
        }
    }

    /// Whether all that was promised was given to somebody.
    package var isAllGiven: Bool { promised.allSatisfy { given[$0] != nil } }

    package var missing: [String] { promised.filter { given[$0] == nil }.sorted().map { "\($0) was promised, and given to nobody" } }

    fileprivate func gave(_ message: String) -> Bool {
        given[message, default: 0] += 1
        return !random.chance(forgetfulness)
    }

    fileprivate func promise(_ message: String) { promised.insert(message) }
}

private final class WorkshopMember: VirtualPeer {
    private unowned let shop: Workshop
    private let topic: TopicName
    var connection: VirtualConnection? {
        didSet {
            connection?.send(
                #"{"id":"s","method":"subscribe","attributes":{"topicName":"\#(topic)","group":"g","ack":true,"ackTimeout":2000}}"#)
        }
    }

    init(shop: Workshop, topic: TopicName) {
        self.shop = shop
        self.topic = topic
    }

    func received(_ text: [UInt8], on connection: VirtualConnection) {
        guard let frame = try? JSONView(parsing: text), frame["type"]?.string == "event",
            let message = frame["data"]?.string, let number = frame["ackId"]?.string, shop.gave(message)
        else { return }
        connection.send(#"{"method":"ack","attributes":{"ackId":"\#(number)"}}"#)
    }

    func disconnected(from connection: VirtualConnection) {}
}

private final class WorkshopPublisher: VirtualPeer {
    private unowned let shop: Workshop
    var connection: VirtualConnection?

    init(shop: Workshop) {
        self.shop = shop
    }

    func received(_ text: [UInt8], on connection: VirtualConnection) {
        guard let frame = try? JSONView(parsing: text), frame["type"]?.string == "response", frame["ok"]?.bool == true,
            let id = frame["id"]?.string
        else { return }
        shop.promise(id)
    }

    func disconnected(from connection: VirtualConnection) {}
}
