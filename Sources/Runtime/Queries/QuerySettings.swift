/// The bounds of queries on a node.
package struct QuerySettings: Sendable {
    /// How long a query may take, its client's reading included; a live one may go on. Default 60 s.
    package var time: Duration = .seconds(60)
    /// The most rows of a result. Default 1,000,000.
    package var rows = 1_000_000
    /// The most bytes of messages that a query reads; default 1 GiB.
    package var bytes = 1 << 30
    /// The most queries under way on the node, those included that wait for their client or, live, for messages. Default
    /// 64.
    package var queries = 64
    /// How many run at the same moment. Default 2.
    package var threads = 2
    /// The memory of all queries together that SQLite takes: groups, orders, results. Default 256 MiB.
    package var heapBytes = 256 << 20
    /// The memory that one query may take to look up rows of a join. Default 128 MiB.
    package var lookupBytes = 128 << 20
    /// The most bytes of a value. Default 8 MiB.
    package var valueBytes = 8 << 20
    /// How often a live query looks whether something came, and at least waits between two answers. Default 100 ms.
    package var liveInterval: Duration = .milliseconds(100)

    package init() {}
}
