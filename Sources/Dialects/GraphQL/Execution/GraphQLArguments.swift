import Broker
import JSON
import Model

/// Reads coerced arguments.
struct GraphQLArguments {
    let values: GraphQLCoercion.Values

    private func value(_ name: String) -> GraphQLValue? {
        guard let value = values[name], value != .null else { return nil }
        return value
    }

    func string(_ name: String) -> String? {
        switch value(name) {
        case .string(let text), .enumeration(let text): text
        default: nil
        }
    }

    func bool(_ name: String) -> Bool { value(name) == .bool(true) }

    func unsigned(_ name: String) -> UInt64? {
        if case .int(let text) = value(name) { UInt64(text) } else { nil }
    }

    func integer(_ name: String) -> Int? {
        if case .int(let text) = value(name) { Int(text) } else { nil }
    }

    /// Raw JSON; a null that was given is `null` too.
    func json(_ name: String) -> [UInt8]? {
        switch values[name] {
        case .json(let text): text
        case .null: Array("null".utf8)
        default: nil
        }
    }

    /// The members of an input object.
    func object(_ name: String) -> GraphQLArguments? {
        guard case .object(let members) = value(name) else { return nil }
        return GraphQLArguments(
            values: Dictionary(members.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first }))
    }

    func topic(_ name: String) throws(GraphQLError) -> TopicName {
        do throws(TopicNameError) { return try TopicName(string(name) ?? "") } catch {
            throw GraphQLError("\"\(name)\": \(error.description)")
        }
    }

    func filter(_ name: String) throws(GraphQLError) -> TopicFilter {
        do throws(TopicNameError) { return try TopicFilter(string(name) ?? "") } catch {
            throw GraphQLError("\"\(name)\": \(error.description)")
        }
    }

    func time(_ name: String) -> WallTime? { string(name).flatMap(Timestamp.time) }

    /// `since`, in every spelling that the native dialect has.
    func since() throws(GraphQLError) -> Command.Since? {
        guard let text = json("since"), text != Array("null".utf8) else { return nil }
        do {
            return try DaptinCursors.since(JSONView(parsing: text))
        } catch let refusal as Refusal {
            throw GraphQLError(refusal, at: nil, path: [])
        } catch {
            throw GraphQLError("\"since\": \(error)")
        }
    }
}
