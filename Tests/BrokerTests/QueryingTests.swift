import Broker
import Model
import Testing

@Suite("A shard with queries")
struct QueryingTests {
    let bench = Bench()

    private func query(_ sql: String) -> Command { .query(Query(sql: sql)) }

    private func chunk(_ number: Int, rows: Int = 1, end: QueryEnd? = nil) -> QueryChunk {
        QueryChunk(
            number: number, columns: [QueryColumn(name: "a")],
            rows: Array(repeating: QueryRow(values: [.integer(1)]), count: rows), figures: QueryFigures(), end: end)
    }

    private func deliver(_ place: Int, _ chunk: QueryChunk) {
        let id = bench.queries[place].id
        bench.run { $0.queried(id, chunk, ledger: bench.ledger, at: bench.now, into: &$1) }
    }

    private func refuse(_ place: Int, _ refusal: Refusal) {
        let id = bench.queries[place].id
        bench.run { $0.queryRefused(id, refusal, ledger: bench.ledger, at: bench.now, into: &$1) }
    }

    @Test("starts a query with the topics that it names, and passes its chunks on until the end")
    func passesOn() {
        bench.create("orders")
        bench.create("chat/1")
        let client = bench.open(0)
        bench.send(query("SELECT * FROM orders JOIN \"chat/1\" USING (id) JOIN orders AS again"), from: client)
        #expect(bench.queries[0].task.topics.map(\.name.text) == ["orders", "chat/1"])
        deliver(0, chunk(0))
        deliver(0, chunk(1, end: .complete))
        #expect(bench.lines(client) == ["opened alice", "rows 0 of 1 …", "rows 1 of 1 complete"])
        #expect(bench.queryCalls == ["resume 0"])
    }

    @Test("knows no topic that the session may not read, and says nothing that tells it from a missing one")
    func access() {
        bench.create("secret", mask: .ownerOnly)
        let (owner, guest) = (bench.open(0), bench.open(1, Principal(user: "bob", roles: ["user"])))
        bench.send(query("SELECT * FROM secret"), from: owner)
        bench.send(query("SELECT * FROM secret"), from: guest)
        bench.send(query("SELECT * FROM nowhere"), from: guest)
        bench.send(query("SELECT * FROM \"no#name\""), from: guest)
        #expect(bench.queries.count == 1)
        #expect(
            bench.lines(guest).dropFirst() == [
                "refused TABLE_NOT_FOUND: there is no topic \"secret\" that you may read",
                "refused TABLE_NOT_FOUND: there is no topic \"nowhere\" that you may read",
                "refused TABLE_NOT_FOUND: there is no topic \"no#name\" that you may read",
            ])
    }

    @Test("refuses what is no query, with the reason")
    func refusal() {
        let client = bench.open(0)
        bench.send(query("DELETE FROM orders"), from: client)
        #expect(
            bench.lines(client).last
                == "refused QUERY_ERROR: a query must be one SELECT: nothing can be changed by SQL")
        bench.create("orders")
        bench.send(query("SELECT a FROM orders"), from: client)
        refuse(0, .queryWrong("near \"a\""))
        #expect(bench.lines(client) == ["refused QUERY_ERROR: near \"a\""])
    }

    @Test("lets a query wait while its client does not read")
    func backPressure() {
        bench.create("orders")
        let client = bench.open(0)
        bench.send(query("SELECT a FROM orders"), from: client)
        bench.congest(client)
        deliver(0, chunk(0))
        #expect(bench.queryCalls.isEmpty)
        bench.drain(client)
        #expect(bench.queryCalls == ["resume 0"])
    }

    @Test("ends a query when its connection closes, and answers nothing after that")
    func closing() {
        bench.create("orders")
        let client = bench.open(0)
        bench.send(query("SELECT a FROM orders"), from: client)
        bench.close(client)
        #expect(bench.queryCalls == ["cancel 0"])
        deliver(0, chunk(0, end: .complete))
        #expect(bench.lines(client) == ["opened alice"])
    }

    @Test("ends the queries of an id when the client asks for it, also one that has not begun")
    func cancelling() {
        var settings = ShardSettings()
        settings.queriesPerConnection = 1
        let bench = Bench(settings: settings)
        bench.create("orders")
        let client = bench.open(0)
        for id in ["1", "1", "2"] { bench.send(query("SELECT a FROM orders"), from: client, id: id) }
        #expect(bench.queries.count == 1)
        let first = bench.queries[0].id
        bench.run { $0.queried(first, chunk(0), ledger: bench.ledger, at: bench.now, into: &$1) }
        bench.send(.cancelQuery(Array("1".utf8)), from: client)
        #expect(
            bench.lines(client).dropFirst() == [
                "rows 0 of 1 …", "rows 0 of 0 cancelled", "rows 1 of 0 cancelled", "cancelled 2",
            ])
        #expect(bench.queryCalls == ["resume 0", "cancel 0"])
        #expect(bench.queries.count == 2)
    }

    @Test("runs a few queries of a connection at once, lets some wait, and refuses the rest")
    func turns() {
        var settings = ShardSettings()
        settings.queriesPerConnection = 2
        settings.waitingQueriesPerConnection = 1
        let bench = Bench(settings: settings)
        bench.create("orders")
        let client = bench.open(0)
        for _ in 0..<4 { bench.send(query("SELECT a FROM orders"), from: client) }
        #expect(bench.queries.count == 2)
        #expect(bench.lines(client).last == "refused RATE_LIMIT_EXCEEDED: too many messages: slow down")
        let second = bench.queries[1].id
        bench.run { $0.queried(second, chunk(0, end: .complete), ledger: bench.ledger, at: bench.now, into: &$1) }
        #expect(bench.queries.count == 3)
    }

    @Test("ends a query whose topic may no longer be read")
    func revocation() {
        bench.create("orders")
        let guest = bench.open(1, Principal(user: "bob", roles: ["user"]))
        bench.send(query("SELECT a FROM orders"), from: guest)
        guard case .success = bench.ledger.changeTopic(topic("orders"), retention: nil, permission: .ownerOnly) else {
            preconditionFailure("the topic is there")
        }
        bench.deliver()
        deliver(0, chunk(0))
        #expect(bench.lines(guest).last == "refused TABLE_NOT_FOUND: there is no topic \"orders\" that you may read")
        #expect(bench.queryCalls == ["cancel 0"])
    }
}
