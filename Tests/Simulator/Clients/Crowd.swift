import JSON
import Model

/// Members of one topic who come and go on every node, and what each is told of the others.
package final class Crowd {
    private unowned let world: World
    let topic: TopicName
    private var random: RandomSource
    private var members: [CrowdMember] = []
    /// How often somebody came or went.
    package private(set) var changeCount = 0

    package init(of topic: TopicName, in world: World) {
        self.world = world
        self.topic = topic
        random = world.random.split()
    }

    /// Lets somebody come to a running node.
    package func join() {
        guard let node = world.nodes.filter(\.isRunning).randomElement(using: &random), let process = node.process,
            let front = process.front
        else { return }
        changeCount += 1
        let member = CrowdMember(topic: topic, node: node.index)
        members.append(member)
        member.connection = front.accept(member)
    }

    /// Lets somebody go, by a word or without one.
    package func leave() {
        members.removeAll(where: \.isGone)
        guard let index = members.indices.randomElement(using: &random) else { return }
        changeCount += 1
        members.remove(at: index).leave(politely: random.chance(0.5))
    }

    /// So many changes at random times, with about so many members at once.
    package func churn(_ changes: Int, around size: Int, within pause: Duration = .milliseconds(20)) {
        for _ in 0..<changes {
            let isFull = members.count { !$0.isGone } >= size
            if random.chance(isFull ? 0.2 : 0.8) { join() } else { leave() }
            world.run(for: .milliseconds(Int64.random(in: 0...pause.milliseconds, using: &random)))
        }
    }

    /// The sessions of those who are there.
    private var present: Set<String> { Set(members.filter { !$0.isGone }.compactMap(\.session)) }

    /// Where somebody is listed who is not there, or not listed who is: by the nodes and by the members' own accounts.
    package func errors() -> [String] {
        let present = present
        var errors: [String] = []
        for node in world.nodes {
            guard let process = node.process else { continue }
            let listed = Set(process.plane.presence(of: topic, limit: .max).members.map(\.connection))
            errors += Self.difference(listed, present, "node \(node.index)")
        }
        for member in members where !member.isGone {
            guard let view = member.view else {
                errors.append("\(member.session ?? "somebody") on node \(member.node) was told nothing")
                continue
            }
            errors += Self.difference(view, present, "\(member.session ?? "somebody") on node \(member.node)")
            errors += member.violations
        }
        return errors
    }

    /// Who is listed on a running node as a member at a node that does not run, by that node's name.
    package func ghosts(of node: Int) -> [String] {
        world.nodes.compactMap(\.process).flatMap { process in
            process.plane.presence(of: topic, limit: .max).members.filter { $0.node == "node-\(node)" }
                .map { "\($0.connection) of node \(node) is a ghost" }
        }
    }

    private static func difference(_ listed: Set<String>, _ present: Set<String>, _ place: String) -> [String] {
        listed.subtracting(present).sorted().map { "\(place) lists \($0), who is not there" }
            + present.subtracting(listed).sorted().map { "\(place) does not list \($0)" }
    }
}

/// One member: subscribes with presence, asks who is there, and keeps account by what it is told.
final class CrowdMember: VirtualPeer {
    let topic: TopicName
    let node: Int
    var connection: VirtualConnection? { didSet { subscribe() } }
    private(set) var session: String?
    private(set) var isGone = false
    /// Who is there, as it knows; nil until it was told.
    private(set) var view: Set<String>?
    private(set) var violations: [String] = []

    init(topic: TopicName, node: Int) {
        self.topic = topic
        self.node = node
    }

    private func subscribe() {
        connection?.send(
            #"{"id":"s","method":"subscribe","attributes":{"topicName":"\#(topic)","presence":true}}"#)
        connection?.send(#"{"id":"p","method":"presence","attributes":{"topicName":"\#(topic)"}}"#)
    }

    /// - Parameter politely: whether it ends its subscription; else the connection just closes.
    func leave(politely: Bool) {
        isGone = true
        guard politely else { return connection?.close() ?? () }
        connection?.send(#"{"id":"u","method":"unsubscribe","attributes":{"topicName":"\#(topic)"}}"#)
    }

    func received(_ text: [UInt8], on connection: VirtualConnection) {
        guard let frame = try? JSONView(parsing: text), let data = frame["data"] else { return }
        switch frame["type"]?.string {
        case "session": session = data["sessionId"]?.string
        case "response":
            guard frame["id"]?.string == "p", let members = data["members"] else { return }
            view = Set(members.elements().compactMap { $0["connection"]?.string })
        case "presence":
            guard let who = data["connection"]?.string, view != nil else { return }
            switch frame["event"]?.string {
            case "join": if !view!.insert(who).inserted { violations.append("\(who) joined twice") }
            case "leave": if view!.remove(who) == nil { violations.append("\(who) left twice") }
            default: break
            }
        default: break
        }
    }

    func disconnected(from connection: VirtualConnection) { isGone = true }
}
