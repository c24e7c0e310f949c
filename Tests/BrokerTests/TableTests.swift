import Broker
import Model
import Testing

@Suite("A table")
struct TableTests {
    let bench = Bench()

    init() { bench.create("t", kind: .table) }

    private func write(
        _ key: String?, _ payload: String, from client: ConnectionID, readers: RowReaders?? = nil, event: String = "new-message"
    ) {
        var publish = Command.Publish(topic: topic("t"), payload: Array(payload.utf8), event: event, key: key)
        if let readers { publish.readers = .changed(readers) }
        bench.send(.publish(publish), from: client)
        bench.settle()
    }

    private func open(_ index: UInt32, _ user: String, groups: [String] = [], role: String = "user") -> ConnectionID {
        let client = bench.open(index, Principal(user: user, groups: groups, roles: [role]))
        _ = bench.lines(client)
        return client
    }

    private func follow(_ client: ConnectionID, snapshot: Bool? = nil, since: Command.Since? = nil) {
        bench.send(
            .subscribe(Command.Subscribe(filters: [TopicFilter(topic("t"))], since: since, snapshot: snapshot)), from: client)
        bench.settle()
    }

    @Test("gives a subscriber the rows that there are, then every change once")
    func snapshot() {
        let writer = open(0, "alice")
        for (key, value) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("c", "null")] { write(key, value, from: writer) }
        let reader = open(1, "bob")
        follow(reader)
        #expect(
            bench.lines(reader).filter { !$0.hasPrefix("cursor") } == ["subscribed t {}", "has t b 1", "has t a 2"])
        write("b", "3", from: writer)
        write("a", "null", from: writer)
        write("d", "4", from: writer)
        #expect(bench.lines(reader).filter { !$0.hasPrefix("cursor") } == ["update t b 3", "delete t a null", "create t d 4"])
    }

    @Test("gives only changes to a subscriber that wants no rows, or has a cursor")
    func changesOnly() {
        let writer = open(0, "alice")
        write("a", "1", from: writer)
        let place = bench.ledger.head(topic("t"))
        write("b", "1", from: writer)
        let (without, since) = (open(1, "bob"), open(2, "bob"))
        follow(without, snapshot: false)
        follow(since, since: .start(.cursor(place)))
        write("a", "2", from: writer)
        #expect(bench.lines(without).dropFirst() == ["update t a 2"])
        #expect(bench.lines(since).dropFirst() == ["create t b 1", "update t a 2"])
    }

    @Test("takes the key from the message, and the value from Daptin's shape")
    func shapes() {
        let writer = open(0, "alice")
        follow(writer)
        _ = bench.lines(writer)
        write(nil, #"{"id":"x","n":1}"#, from: writer)
        write(nil, #"{"type":"order","id":7,"attributes":{"n":2}}"#, from: writer)
        write("x", #"{"n":3}"#, from: writer)
        #expect(
            bench.lines(writer).filter { !$0.hasPrefix("published") } == [
                #"create t x {"id":"x","n":1}"#, #"create t 7 {"n":2}"#, #"update t x {"n":3}"#,
            ])
    }

    @Test("refuses what is no row, with words that say what would be right")
    func refusals() {
        let writer = open(0, "alice")
        write(nil, #"{"n":1}"#, from: writer)
        write("", "1", from: writer)
        write("y", #"{"id":"x","attributes":1}"#, from: writer)
        write("x", "1", from: writer, event: "update")
        let lines = bench.lines(writer)
        #expect(lines.count == 4 && lines.allSatisfy { $0.hasPrefix("refused INVALID_MESSAGE") })
        #expect(lines.first?.contains("give the row's \"key\"") == true)
    }

    @Test("is written to as its mask says for what becomes of the row")
    func mask() {
        let (owner, guest) = (open(0, "alice"), open(1, "bob"))
        write("a", "1", from: guest)
        write("a", "2", from: guest)
        write("a", "null", from: guest)
        #expect(
            bench.lines(guest) == [
                "published t A:1 accepted", "published t A:2 accepted",
                "refused PERMISSION_DENIED: no permission to delete on topic \"t\"",
            ])
        write("a", "null", from: owner)
        #expect(bench.lines(owner) == ["published t A:3 accepted"])
    }

    @Test("shows a row to its readers and to admins alone, and its end to those who could read it before")
    func readers() {
        let writer = open(0, "alice")
        let (bob, carl, admin) = (open(1, "bob"), open(2, "carl", groups: ["staff"]), open(3, "root", role: "admin"))
        for client in [bob, carl, admin] { follow(client) }
        for client in [bob, carl, admin] { _ = bench.lines(client) }
        write("a", "1", from: writer)
        write("a", "2", from: writer, readers: RowReaders(users: ["bob", "alice"], groups: []))
        write("a", "3", from: writer)
        write("a", "4", from: writer, readers: RowReaders(users: ["alice"], groups: ["staff"]))
        write("a", "5", from: writer, readers: .some(nil))
        func rows(_ client: ConnectionID) -> [String] { bench.lines(client).filter { !$0.hasPrefix("cursor") } }
        #expect(rows(bob) == ["create t a 1", "update t a 2", "update t a 3", "delete t a null", "update t a 5"])
        #expect(rows(carl) == ["create t a 1", "delete t a null", "update t a 4", "update t a 5"])
        #expect(rows(admin) == ["create t a 1", "update t a 2", "update t a 3", "update t a 4", "update t a 5"])
    }

    @Test("tells nobody else of a row that was never for them, but where their cursor stands")
    func hidden() {
        let writer = open(0, "alice")
        write("secret", "1", from: writer, readers: RowReaders(users: ["alice"], groups: []))
        let bob = open(1, "bob")
        follow(bob)
        write("secret", "2", from: writer)
        write("open", "3", from: writer)
        bench.send(.history(Command.History(topic: topic("t"), since: .beginning)), from: bob)
        bench.settle()
        for key in ["secret", "open", "none"] {
            bench.send(.row(topic("t"), key: key), from: bob)
            bench.settle()
        }
        let lines = bench.lines(bob)
        #expect(!lines.contains { $0.contains("event") || $0.contains("t secret") })
        #expect(
            lines.suffix(5) == [
                "create t open 3", "history t 1 {A:3}",
                "refused ROW_NOT_FOUND: table \"t\" has no row \"secret\" that you may read", "row t 3",
                "refused ROW_NOT_FOUND: table \"t\" has no row \"none\" that you may read",
            ])
    }

    @Test("has no retention, and is kept on disk")
    func settings() {
        let client = open(0, "alice")
        bench.send(
            .createTopic(Command.CreateTopic(name: topic("u"), kind: .table, retention: Retention(messages: 1))), from: client)
        bench.send(.createTopic(Command.CreateTopic(name: topic("u"), kind: .table, durability: .memory)), from: client)
        bench.send(.changeTopic(topic("t"), retention: Retention(seconds: 1), permission: nil), from: client)
        let lines = bench.lines(client)
        #expect(lines.count == 3 && lines.allSatisfy { $0.hasPrefix("refused NOT_SUPPORTED: a table") })
    }
}
