import Model

/// A part of a query's result.
package struct QueryChunk: Sendable {
    /// Counts the chunks of a query that have rows or an end, from 0.
    package let number: Int
    package let columns: [QueryColumn]
    /// May be empty: in the last chunk, and in one that only tells figures.
    package let rows: [QueryRow]
    /// How far the query has come.
    package let figures: QueryFigures
    /// Why nothing follows; nil while something does.
    package let end: QueryEnd?

    package init(
        number: Int, columns: [QueryColumn], rows: [QueryRow], figures: QueryFigures, end: QueryEnd?
    ) {
        self.number = number
        self.columns = columns
        self.rows = rows
        self.figures = figures
        self.end = end
    }
}

/// One column of a result.
package struct QueryColumn: Sendable, Equatable {
    package let name: String
    /// What it is, as far as a door may show it otherwise than by its name.
    package let role: Role

    package enum Role: Sendable {
        case plain
        /// The message's key and the message itself, brought in by `*`.
        case key
        case message
    }

    package init(name: String, role: Role = .plain) {
        self.name = name
        self.role = role
    }
}

/// One row of a result.
package struct QueryRow: Sendable, Hashable {
    /// One for each column.
    package let values: [QueryValue]
    /// The message that the row stands for, where columns are asked for as `messages` and there is exactly one.
    package let origin: Origin?

    /// What a message's metadata say.
    package struct Origin: Sendable, Hashable {
        /// The first 31 bits of a hash of the partition's name.
        package let partition: Int64
        package let offset: UInt64
        package let time: WallTime
        /// Bytes of the key and of the message.
        package let keySize: Int
        package let valueSize: Int

        package init(partition: Int64, offset: UInt64, time: WallTime, keySize: Int, valueSize: Int) {
            self.partition = partition
            self.offset = offset
            self.time = time
            self.keySize = keySize
            self.valueSize = valueSize
        }
    }

    package init(values: [QueryValue], origin: Origin? = nil) {
        self.values = values
        self.origin = origin
    }
}

/// How far a query has come.
package struct QueryFigures: Sendable, Equatable {
    /// Rows of the result so far.
    package var rows: UInt64 = 0
    package var elapsed: Duration = .zero
    /// The query's own id: random, as RFC 9562 writes such.
    package var id = ""
    package var started = WallTime(milliseconds: 0)
    /// What was read of each topic that the query names, in the order of first mention.
    package var sources: [Source] = []

    /// What was read of one topic.
    package struct Source: Sendable, Equatable {
        package let topic: TopicName
        package var messages: UInt64 = 0
        /// Bytes of the messages.
        package var bytes: UInt64 = 0
        /// Messages that are no JSON.
        package var unreadable: UInt64 = 0
        /// How many messages the topic has for this query.
        package var total: UInt64 = 0

        package init(topic: TopicName) {
            self.topic = topic
        }
    }

    package init() {}

    package var messages: UInt64 { sources.reduce(0) { $0 + $1.messages } }
    package var bytes: UInt64 { sources.reduce(0) { $0 + $1.bytes } }
}

/// Why a query ended.
package enum QueryEnd: Sendable, Equatable {
    /// Every row was given.
    case complete
    /// A limit was met: what was given so far is right, and more would follow. Each door says it in its own word.
    case limit(QueryLimit)
    /// The client cancelled it.
    case cancelled
}

/// A limit that ended a query, and how much it was.
package enum QueryLimit: Sendable, Equatable {
    case time(Duration)
    case rows(Int)
    case bytes(Int)
    case idle(Duration)

    /// One sentence for a person.
    package var sentence: String {
        switch self {
        case .time(let time): "the query took longer than the \(time.milliseconds) ms that it may"
        case .rows(let count): "the query has more than the \(count) rows that it may"
        case .bytes(let count): "the query reads more than the \(count) bytes of messages that it may"
        case .idle(let time): "nothing new came for the query within \(time.milliseconds) ms"
        }
    }
}
