/// An executable document (GraphQL October 2021 §2.2): what a client asks, as it wrote it.
struct GraphQLDocument: Sendable {
    var operations: [Operation] = []
    var fragments: [String: Fragment] = [:]

    enum OperationKind: String, Sendable {
        case query
        case mutation
        case subscription
    }

    struct Operation: Sendable {
        let kind: OperationKind
        /// nil for an anonymous one.
        let name: String?
        let variables: [VariableDefinition]
        let directives: [Directive]
        let selections: [Selection]
        let location: GraphQLError.Location
    }

    struct VariableDefinition: Sendable {
        let name: String
        let type: GraphQLTypeReference
        let defaultValue: GraphQLValue?
        let location: GraphQLError.Location
    }

    struct Fragment: Sendable {
        let name: String
        let typeCondition: String
        let directives: [Directive]
        let selections: [Selection]
        let location: GraphQLError.Location
    }

    indirect enum Selection: Sendable {
        case field(Field)
        case spread(name: String, directives: [Directive], location: GraphQLError.Location)
        case inline(
            typeCondition: String?, directives: [Directive], selections: [Selection], location: GraphQLError.Location)
    }

    struct Field: Sendable {
        let alias: String?
        let name: String
        let arguments: [Argument]
        let directives: [Directive]
        let selections: [Selection]
        let location: GraphQLError.Location

        /// The key under which its value stands in the response.
        var responseKey: String { alias ?? name }
    }

    struct Argument: Sendable {
        let name: String
        let value: GraphQLValue
        let location: GraphQLError.Location
    }

    struct Directive: Sendable {
        let name: String
        let arguments: [Argument]
        let location: GraphQLError.Location
    }
}

/// A type as a variable's definition or the schema names it (§3.4.1).
indirect enum GraphQLTypeReference: Equatable, Sendable, CustomStringConvertible {
    case named(String)
    case list(GraphQLTypeReference)
    case nonNull(GraphQLTypeReference)

    var description: String {
        switch self {
        case .named(let name): name
        case .list(let item): "[\(item)]"
        case .nonNull(let type): "\(type)!"
        }
    }

    /// The innermost name.
    var name: String {
        switch self {
        case .named(let name): name
        case .list(let type), .nonNull(let type): type.name
        }
    }

    /// The same without an outermost `!`.
    var nullable: GraphQLTypeReference {
        if case .nonNull(let type) = self { type } else { self }
    }

    var isNonNull: Bool {
        if case .nonNull = self { true } else { false }
    }
}

/// A value, as a document writes it (§2.9) or a variable brings it.
indirect enum GraphQLValue: Equatable, Sendable {
    case null
    case bool(Bool)
    /// A whole number as it was written.
    case int(String)
    /// Any other number as it was written.
    case float(String)
    case string(String)
    case enumeration(String)
    case list([GraphQLValue])
    /// In the order in which it was written.
    case object([Member])
    case variable(String)
    /// JSON text as a client sent it, for a scalar that takes any.
    case json([UInt8])

    struct Member: Equatable, Sendable {
        let name: String
        let value: GraphQLValue
    }

    /// What kind of value it is, for messages.
    var words: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .int(let text), .float(let text): String(text.prefix(64))
        case .string(let text): "\"\(text.prefix(64))\""
        case .enumeration(let name): String(name.prefix(64))
        case .list: "a list"
        case .object: "an object"
        case .variable(let name): "$\(name)"
        case .json(let text): String(decoding: text.prefix(64), as: UTF8.self)
        }
    }
}
