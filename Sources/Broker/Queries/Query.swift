import JSON
import Model

/// A question in SQL over topics, each of which is a table.
///
/// It is answered by ``Reply/rows(_:)``, once or many times with the same reference, of which the last has an `end`; or it
/// is refused, before or after some rows, and that too is the last. The next chunk is made only when the connection has
/// room, so a client that does not read costs no memory. ``Command/cancelQuery(_:)`` ends it early.
package struct Query: Sendable {
    /// One `SELECT` of SQLite's dialect, as the client wrote it; a `;` at its end is accepted.
    package var sql: String
    /// What `?`, `?NNN`, `:name`, `@name` and `$name` stand for.
    package var parameters: QueryParameters
    /// Bounds of the client's own. Where one is wider than the node's, the node's holds.
    package var limits: QueryLimits
    package var columns: Columns
    /// Whether it goes on as messages arrive: rows that are new are given as they come, and those of an aggregate
    /// anew when they change. It ends when it is cancelled or a limit of its own is met.
    package var isLive: Bool
    /// How often a chunk comes though it has no rows, so that figures can be told; nil, the default, for never.
    package var pulse: Duration?
    /// The most rows that a chunk has; default 1,000.
    package var chunkRows: Int
    /// About how many bytes of values a chunk has; default 64 KiB.
    package var chunkBytes: Int

    /// What `*` stands for and how columns without an alias are named.
    package enum Columns: Sendable {
        /// `*` is the fields seen in the topic's newest 1,000 messages; columns are named as SQLite names them.
        case fields
        /// `*` is the message itself: `_key` and `_value`. Columns are named by the last part of their path or by
        /// their function, and a row that stands for one message has its ``QueryRow/origin``. Partitions are numbers.
        case messages
    }

    package init(
        sql: String, parameters: QueryParameters = .none, limits: QueryLimits = QueryLimits(),
        columns: Columns = .fields, isLive: Bool = false, pulse: Duration? = nil, chunkRows: Int = 1_000,
        chunkBytes: Int = 65_536
    ) {
        self.sql = sql
        self.parameters = parameters
        self.limits = limits
        self.columns = columns
        self.isLive = isLive
        self.pulse = pulse
        self.chunkRows = chunkRows
        self.chunkBytes = chunkBytes
    }
}

/// The values of a query's parameters.
package enum QueryParameters: Sendable, Equatable {
    case none
    /// The first is that of `?1`.
    case positional([QueryValue])
    /// By name without its `:`, `@` or `$`.
    case named([(name: String, value: QueryValue)])

    /// Reads an array or an object of JSON; objects and arrays in it are given to SQL as their text.
    package init(_ view: JSONView) throws(Refusal) {
        switch view.kind {
        case .null: self = .none
        case .array: self = .positional(view.elements().map(QueryValue.init))
        case .object: self = .named(view.members().map { ($0.key, QueryValue($0.value)) })
        case .string, .number, .bool:
            throw .invalidMessage(
                "the query's parameters are \(view.kind.rawValue); they must be an array or an object")
        }
    }

    package static func == (left: QueryParameters, right: QueryParameters) -> Bool {
        switch (left, right) {
        case (.none, .none): true
        case (.positional(let left), .positional(let right)): left == right
        case (.named(let left), .named(let right)): left.elementsEqual(right) { $0 == $1 }
        default: false
        }
    }
}

/// How far a query may go; nil for as far as the node lets it.
package struct QueryLimits: Sendable, Equatable {
    /// From its start to its end, the client's own reading included.
    package var time: Duration?
    /// Rows of its result.
    package var rows: Int?
    /// Bytes of the messages that it reads.
    package var bytes: Int?
    /// How long a live query waits for something new.
    package var idle: Duration?

    package init(time: Duration? = nil, rows: Int? = nil, bytes: Int? = nil, idle: Duration? = nil) {
        self.time = time
        self.rows = rows
        self.bytes = bytes
        self.idle = idle
    }
}

/// A query that may be run: what the core gives to whoever runs it.
package struct QueryTask: Sendable {
    package let query: Query
    /// The statement, taken apart.
    package let statement: SQLStatement
    /// Every topic that it names; the session may read them all.
    package let topics: [TopicDefinition]
    /// Who asks, and sees only the rows that they may read; nil for one who may read every row.
    package let viewer: Principal?

    package init(query: Query, statement: SQLStatement, topics: [TopicDefinition], viewer: Principal? = nil) {
        self.query = query
        self.statement = statement
        self.topics = topics
        self.viewer = viewer
    }
}

/// A query that a shard has started and waits for.
package struct QueryID: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}
