import Broker
import Model

/// One shard with a ledger, and clients whose every line is kept: what a loop's driver does, on demand.
final class Bench {
    var shard: Shard
    let ledger: TestLedger
    var now = Now(monotonic: .zero, wall: WallTime(milliseconds: 1_700_000_000_000))
    /// What each client was told, as text.
    private(set) var heard: [ConnectionID: [String]] = [:]
    /// Sees what clients are told as it comes; shared messages once for each receiver.
    var onNotice: (ConnectionID, Notice) -> Void = { _, _ in }
    var onReply: (ConnectionID, RequestReference, Reply) -> Void = { _, _, _ in }
    private(set) var lists: [ListID: [ConnectionID]] = [:]
    var reads: [(id: ReadID, read: TopicRead)] = []
    var reports: [ReadID] = []
    var describes: [(id: ReadID, definition: TopicDefinition)] = []
    var verifications: [(connection: ConnectionID, reference: RequestReference, token: String)] = []
    var interests: [(id: InterestID, added: [TopicFilter], removed: [TopicFilter])] = []
    var queries: [(id: QueryID, task: QueryTask)] = []
    /// Queries that were told to go on or to end, in words.
    var queryCalls: [String] = []
    private(set) var closes: [String] = []
    /// What event loops of other nodes would be told.
    var errands: [(errand: Errand, node: NodeID, loop: Int)] = []
    /// What this loop has to tell itself.
    private var ownErrands: [Errand] = []
    /// Which of that is lost on its way.
    var losesErrand: (Errand) -> Bool = { _ in false }
    /// What was announced since the test last looked.
    private var changes: [PresenceChange] = []
    private var presences: [PresenceKey: PresenceEntry] = [:]
    private var generations: [UInt32: UInt32] = [:]

    init(
        settings: ShardSettings = ShardSettings(), access: AccessPolicy = .standard, ledger: TestLedger = TestLedger()
    ) {
        self.ledger = ledger
        var heads: [TopicName: Cursor] = [:]
        let topics = ledger.registry.sortedEntries.compactMap(\.live)
        for topic in topics { heads[topic.name] = ledger.head(topic.name) }
        _ = ledger.take()
        shard = Shard(
            settings: settings, access: access, place: ShardPlace(origin: ledger.home, loop: 0, loops: 1), topics: topics, heads: heads, deliveredThrough: ledger.sequence)
    }

    /// Calls the shard and carries out what it wants.
    func run(_ body: (inout Shard, inout [ShardEffect]) -> Void) {
        var effects: [ShardEffect] = []
        body(&shard, &effects)
        for effect in effects { perform(effect) }
        while !ownErrands.isEmpty {
            let errand = ownErrands.removeFirst()
            run { $0.receive(errand, at: now, into: &$1) }
        }
    }

    /// Opens a connection for a user with the role `user`.
    func open(_ index: UInt32, _ principal: Principal? = Principal(user: "alice", roles: ["user"])) -> ConnectionID {
        let generation = generations[index, default: 0] + 1
        generations[index] = generation
        let connection = ConnectionID(index: index, generation: generation)
        run { $0.open(connection, session: "s\(index)", principal: principal, at: now, into: &$1) }
        return connection
    }

    /// Opens a further session of a connection.
    func branch(_ index: UInt32, of connection: ConnectionID) -> ConnectionID {
        let generation = generations[index, default: 0] + 1
        generations[index] = generation
        let branch = ConnectionID(index: index, generation: generation)
        run { shard, _ in shard.open(branch, branching: connection) }
        return branch
    }

    /// Answers the oldest question for the node's figures.
    func report(_ node: String = "a") {
        let figures = NodeFigures(
            node: node, cpu: 1, memory: 2, connections: 3, subscriptions: 4, messagesIn: 5, messagesOut: 6, topics: 7)
        let view = ClusterView(node: node, cluster: "roost", digest: "0", members: [])
        let id = reports.removeFirst()
        run { $0.reported(id, .success(StatusReport(figures: figures, cluster: view)), at: now, into: &$1) }
    }

    func send(
        _ command: Command, from connection: ConnectionID, id: String? = nil, wantsReply: Bool = true
    ) {
        let reference = RequestReference(id: id.map { Array($0.utf8) }, method: "test", wantsReply: wantsReply)
        run {
            $0.receive(
                Request(reference: reference, command: command), from: connection, ledger: ledger, at: now, into: &$1)
        }
    }

    func deliver() { run { $0.deliver(ledger.take(), at: now, into: &$1) } }

    /// Answers the oldest read, or the one at an index.
    func answerRead(_ index: Int = 0) {
        let (id, read) = reads.remove(at: index)
        answer(id, .success(ledger.read(read)))
    }

    func answer(_ id: ReadID, _ result: Result<TopicPage, Refusal>) {
        run { $0.page(id, result, ledger: ledger, at: now, into: &$1) }
    }

    /// Answers reads, and confirms interests, until nothing is asked any more.
    func settle() {
        var rounds = 0
        while !reads.isEmpty || !interests.isEmpty {
            rounds += 1
            precondition(rounds < 100_000, "the shard never stops asking")
            if !interests.isEmpty { confirm() } else { answerRead() }
        }
    }

    /// Confirms the oldest interest.
    func confirm() {
        let id = interests.removeFirst().id
        run { $0.interestConfirmed(id, ledger: ledger, at: now, into: &$1) }
    }

    func congest(_ connection: ConnectionID) { run { $0.congested(connection, into: &$1) } }

    func drain(_ connection: ConnectionID) { run { $0.drained(connection, at: now, into: &$1) } }

    func close(_ connection: ConnectionID) { run { $0.closed(connection, into: &$1) } }

    func durable() { run { $0.durable(through: ledger.sequence, into: &$1) } }

    func wait(_ duration: Duration) {
        now = Now(
            monotonic: now.monotonic + duration,
            wall: WallTime(milliseconds: now.wall.milliseconds + duration.milliseconds))
        run { $0.advance(to: now, ledger: ledger, into: &$1) }
    }

    /// Creates a topic as its owner `alice` would, and waits until it is stored.
    func create(
        _ name: String, durability: TopicDefinition.Durability = .disk, mask: PermissionMask = .standard,
        kind: TopicDefinition.Kind = .stream
    ) {
        let creation = TopicCreation(
            name: topic(name), kind: kind, durability: durability, owner: "alice", groups: ["staff"],
            settings: TopicSettings(permission: mask))
        guard case .success = ledger.createTopic(creation) else { preconditionFailure("\(name) exists") }
        deliver()
    }

    /// A message of this node, sequenced by another loop.
    func publish(_ name: String, _ payload: String) {
        let draft = Draft(
            topic: topic(name), event: "new-message", key: nil, publisher: "bob", source: "s9", messageID: nil,
            timeToLive: nil, payload: Array(payload.utf8))
        guard case .success = ledger.publish([draft])[0] else { preconditionFailure("\(name) is unknown") }
    }

    /// What a client was told since the last call.
    func lines(_ connection: ConnectionID) -> [String] { heard.removeValue(forKey: connection) ?? [] }

    private func perform(_ effect: ShardEffect) {
        switch effect {
        case .reply(let connection, let reference, let reply):
            heard[connection, default: []].append(Words.of(reply))
            onReply(connection, reference, reply)
        case .notify(let connection, let notice): tell([connection], notice)
        case .join(let list, let connection):
            precondition(lists[list]?.contains(connection) != true, "joined twice")
            lists[list, default: []].append(connection)
        case .leave(let list, let connection):
            guard let place = lists[list]?.firstIndex(of: connection) else {
                preconditionFailure("left without joining")
            }
            lists[list]!.remove(at: place)
        case .dropList(let list):
            precondition(lists[list] == [], "a list with receivers was dropped")
            lists[list] = nil
        case .fanOut(let list, let item): tell(lists[list]!, .event(item))
        case .fanOutGap(let list, let name, let gap): tell(lists[list]!, .gap(name, gap))
        case .fanOutCursor(let list, let name, let cursor): tell(lists[list]!, .cursor(name, cursor))
        case .verify(let connection, let reference, let token): verifications.append((connection, reference, token))
        case .read(let id, let read): reads.append((id, read))
        case .describe(let id, let definition): describes.append((id, definition))
        case .query(let id, let task): queries.append((id, task))
        case .resumeQuery(let id): queryCalls.append("resume \(name(of: id))")
        case .cancelQuery(let id): queryCalls.append("cancel \(name(of: id))")
        case .report(let id): reports.append(id)
        case .interest(let id, let added, let removed):
            if !added.isEmpty || !removed.isEmpty { interests.append((id, added, removed)) }
        case .announce(let more): changes += more
        case .confirmAnnouncements(let id): interests.append((id, [], []))
        case .errand(let errand, ledger.home.node, let loop):
            precondition(loop == 0, "there is one loop")
            if !losesErrand(errand) { ownErrands.append(errand) }
        case .errand(let errand, let node, let loop): errands.append((errand, node, loop))
        case .presence(let id, let name, let limit): listPresence(id, name, limit)
        case .hold(let connection): heard[connection, default: []].append("held")
        case .release(let connection): heard[connection, default: []].append("released")
        case .close(_, let code, let reason): closes.append("\(code) \(reason)")
        }
    }

    /// The place of a query among those that were started, from 0.
    private func name(of id: QueryID) -> String {
        queries.firstIndex { $0.id == id }.map { "\($0)" } ?? "unknown"
    }

    /// What was announced since the last call, as text; with `echoing`, all are told of it, as a node tells its loops.
    func announced(echoing: Bool = true, node: String = "home") -> [String] {
        defer { changes = [] }
        let words = changes.map { change in
            switch change {
            case .set(let key, let entry):
                "set \(key.place.kind) \(key.place.topic) \(key.connection)"
                    + (entry.state.isEmpty || key.place.kind == .responder || key.place.kind == .worker ? "" : " \(String(decoding: entry.state, as: UTF8.self))")
            case .remove(let key): "remove \(key.place.kind) \(key.place.topic) \(key.connection)"
            }
        }
        if echoing { tellPresence(changes, node: node, id: ledger.home.node) }
        return words
    }

    /// Tells the shard of changes as its node would.
    func tellPresence(_ changes: [PresenceChange], node: String = "other", id: NodeID = NodeID(rawValue: 2)) {
        let events = changes.map { change in
            let before = presences[change.key]
            let what: PresenceEvent.What
            let entry: PresenceEntry
            switch change {
            case .set(let key, let new):
                presences[key] = new
                (what, entry) = (before == nil ? .joined : .updated, new)
            case .remove(let key):
                presences[key] = nil
                (what, entry) = (.left, before!)
            }
            let count = presences.keys.count { $0.place == change.key.place }
            return PresenceEvent(what, change.key, entry, node: node, id: id, count: count)
        }
        run { $0.presenceChanged(events, at: now, into: &$1) }
    }

    private func listPresence(_ id: ReadID, _ name: TopicName, _ limit: Int) {
        let found = presences.filter { $0.key.place == PresencePlace(kind: .member, topic: name) }
        let members = found.sorted { $0.key < $1.key }.map {
            PresenceList.Member(node: "home", connection: $0.key.connection, entry: $0.value)
        }
        let list = PresenceList(members: found.count <= limit ? members : [], count: found.count)
        run { $0.presenceListed(id, .success(list), into: &$1) }
    }

    private func tell(_ connections: [ConnectionID], _ notice: Notice) {
        for connection in connections {
            heard[connection, default: []].append(Words.of(notice))
            onNotice(connection, notice)
        }
    }
}

/// Everything that a client can be told, in words for tests.
enum Words {
    static func of(_ reply: Reply) -> String {
        switch reply {
        case .subscribed(let filter, let cursors, let recovered, let missed):
            let places = cursors.map { filter.exact == nil ? "\($0.topic)\(of($0.cursor))" : of($0.cursor) }
            return "subscribed \(filter) \(places.joined(separator: " "))" + (recovered ? "" : " missed \(missed)")
        case .unsubscribed(let filter): return "unsubscribed \(filter)"
        case .published(let topic, let receipt, let level):
            return "published \(topic) \(of(receipt.partition)):\(receipt.offset) \(level)"
        case .topicCreated(let definition): return "created \(definition.name)"
        case .topicChanged(let definition): return "changed \(definition.name)"
        case .topicDestroyed(let name): return "destroyed \(name)"
        case .topics(let topics, let more):
            return "topics \(topics.map(\.name.text).joined(separator: " "))" + (more ? " …" : "")
        case .topic(let description): return "topic \(description.definition.name) of \(description.subscribers)"
        case .permission(let name, let mask): return "permission \(name) \(mask.rawValue)"
        case .row(let name, let item):
            return "row \(name) \(String(decoding: item.record.message!.payload, as: UTF8.self))"
        case .history(let name, let page): return "history \(name) \(page.messages.count) \(of(page.cursor))"
        case .presence(let name, let list):
            return "presence \(name) \(list.count): \(list.members.map(\.connection).joined(separator: " "))"
        case .presenceSet(let name): return "set \(name)"
        case .typingNoted(let name): return "noted \(name)"
        case .requested(.part(let name, let payload, let source, _)):
            return "reply \(name) \(String(decoding: payload, as: UTF8.self)) of \(source)"
        case .requested(.finished(let name, let count)): return "finished \(name) \(count)"
        case .requested(.replyTaken): return "taken"
        case .acknowledged: return "acknowledged"
        case .authenticated(let principal): return "authenticated \(principal.user)"
        case .rows(let chunk):
            return "rows \(chunk.number) of \(chunk.rows.count)" + (chunk.end.map { " \($0)" } ?? " …")
        case .queriesCancelled(let count): return "cancelled \(count)"
        case .cluster(let view): return "cluster \(view.cluster) seen by \(view.node)"
        case .figures(let report): return "figures of \(report.figures.node)"
        case .followingFigures: return "following figures"
        case .pong: return "pong"
        case .refused(let refusal): return "refused \(refusal.code): \(refusal.sentence)"
        }
    }

    static func of(_ notice: Notice) -> String {
        switch notice {
        case .opened(_, let principal, _): return "opened \(principal.user)"
        case .event(let item):
            let message = item.record.message!
            let place = "\(of(item.record.partition(of: message))):\(message.offset)"
            let payload = String(decoding: message.payload, as: UTF8.self)
            guard message.row != nil else { return "event \(message.topic) \(place) \(payload)" }
            return (item.isSnapshot ? "has" : message.event) + " \(message.topic) \(message.key!) \(payload)"
        case .gap(let name, let gap): return "gap \(name) \(of(gap.partition)):\(gap.from)-\(gap.to) \(gap.reason)"
        case .cursor(let name, let cursor): return "cursor \(name) \(of(cursor))"
        case .subscriptionEnded(let name, let refusal): return "ended \(name) \(refusal.code)"
        case .presence(let event): return "\(event.what) \(event.key.place.topic) \(event.key.connection)"
        case .presenceCount(let name, let count): return "count \(name) \(count)"
        case .typing(let event):
            return "\(event.what == .left ? "stops" : "types") \(event.key.place.topic) \(event.key.connection)"
        case .request(let request):
            return "request \(request.topic) \(String(decoding: request.payload, as: UTF8.self)) by \(request.user)"
        case .work(let work):
            return "work \(of(.event(work.item)).dropFirst(6)) of \(work.group)"
                + (work.acknowledgementID == nil ? "" : " attempt \(work.attempt)")
        case .refused(let refusal): return "told \(refusal.code): \(refusal.sentence)"
        case .figures(let report): return "figures of \(report.figures.node) now"
        case .figuresEnded(let refusal): return "figures ended \(refusal.code)"
        case .tokenExpiring: return "expiring"
        case .draining: return "draining"
        }
    }

    static func of(_ cursor: Cursor) -> String {
        "{" + cursor.sorted.map { "\(of($0.partition)):\($0.offset)" }.joined(separator: " ") + "}"
    }

    /// The origin's number as a letter, with the generation from the second on.
    static func of(_ partition: Partition) -> String {
        let letter = String(Character(Unicode.Scalar(UInt8(64 + partition.origin.node.rawValue))))
        return partition.generation == 1 ? letter : letter + "\(partition.generation)"
    }
}

func topic(_ text: String) -> TopicName {
    guard let name = try? TopicName(text) else { preconditionFailure("\(text) is no topic name") }
    return name
}

func filter(_ text: String) -> TopicFilter {
    guard let filter = try? TopicFilter(text) else { preconditionFailure("\(text) is no filter") }
    return filter
}

extension Command {
    /// Follows filters.
    static func follow(
        _ texts: String..., conditions: [Condition] = [], since: Since? = nil, presence: PresenceWish = .none,
        responds: Bool = false, group: GroupWish? = nil
    ) -> Command {
        .subscribe(
            Subscribe(
                filters: texts.map(filter), conditions: conditions, since: since, presence: presence, responds: responds,
                group: group))
    }

    static func say(
        _ name: String, _ payload: String = "1", _ level: Acknowledgement = .accepted, messageID: String? = nil
    ) -> Command {
        .publish(
            Publish(
                topic: topic(name), payload: Array(payload.utf8), messageID: messageID, acknowledgement: level))
    }
}
