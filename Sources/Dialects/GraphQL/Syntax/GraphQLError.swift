import Broker
import JSON

/// What is wrong with a GraphQL request or one field of it, as the response's `errors` say it (GraphQL October 2021 §7.1.2).
struct GraphQLError: Error, Equatable, Sendable {
    /// One sentence for a person.
    let message: String
    /// Where in the document; empty where no place is known.
    var locations: [Location] = []
    /// Where in the response; empty for an error of the whole request.
    var path: [PathPart] = []
    /// The code in `extensions`, from the error table that every door has.
    var code: String
    /// Further members of `extensions`.
    var details: [Detail] = []

    /// A place in the document, both counted from 1; the column in code points.
    struct Location: Equatable, Sendable {
        let line: Int
        let column: Int
    }

    /// A step from the response's root to the field in question.
    enum PathPart: Equatable, Hashable, Sendable {
        case key(String)
        case index(Int)
    }

    /// A further member of `extensions`: text, or a number.
    struct Detail: Equatable, Sendable {
        let key: String
        let value: Value

        enum Value: Equatable, Sendable {
            case text(String)
            case number(UInt64)
        }
    }

    init(_ message: String, at location: Location? = nil, code: String = "INVALID_MESSAGE") {
        self.message = message
        locations = location.map { [$0] } ?? []
        self.code = code
    }

    /// A refusal of the core, at a field.
    init(_ refusal: Refusal, at location: Location?, path: [PathPart]) {
        message = refusal.sentence
        locations = location.map { [$0] } ?? []
        self.path = path
        code = refusal.code
    }
}

extension GraphQLError {
    /// Writes an array of errors.
    static func write(_ errors: [GraphQLError], to writer: inout JSONWriter) {
        writer.beginArray()
        for error in errors { error.write(to: &writer) }
        writer.endArray()
    }

    private func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("message")
        writer.string(message)
        if !locations.isEmpty {
            writer.key("locations")
            writer.beginArray()
            for location in locations {
                writer.beginObject()
                writer.key("line")
                writer.integer(Int64(location.line))
                writer.key("column")
                writer.integer(Int64(location.column))
                writer.endObject()
            }
            writer.endArray()
        }
        if !path.isEmpty {
            writer.key("path")
            writer.beginArray()
            for part in path {
                switch part {
                case .key(let key): writer.string(key)
                case .index(let index): writer.integer(Int64(index))
                }
            }
            writer.endArray()
        }
        writer.key("extensions")
        writer.beginObject()
        writer.key("code")
        writer.string(code)
        for detail in details {
            writer.key(detail.key)
            switch detail.value {
            case .text(let text): writer.string(text)
            case .number(let number): writer.unsigned(number)
            }
        }
        writer.endObject()
        writer.endObject()
    }
}
