/// The types of a schema, in the order of its text. There are neither interfaces nor unions.
struct GraphQLSchema: Sendable {
    let types: [GraphQLType]
    private let byName: [String: Int]

    init(types: [GraphQLType]) {
        self.types = types
        byName = Dictionary(uniqueKeysWithValues: types.enumerated().map { ($1.name, $0) })
    }

    /// The type of a name; nil where there is none.
    subscript(name: String) -> GraphQLType? { byName[name].map { types[$0] } }

    /// The name of the type whose fields an operation selects from.
    static func root(of kind: GraphQLDocument.OperationKind) -> String {
        switch kind {
        case .query: "Query"
        case .mutation: "Mutation"
        case .subscription: "Subscription"
        }
    }
}

/// One type of a schema.
struct GraphQLType: Sendable {
    let name: String
    let description: String?
    let kind: Kind

    enum Kind: Sendable {
        case scalar
        case object([Field])
        case input([InputValue])
        case enumeration([EnumerationValue])
    }

    struct Field: Sendable {
        let name: String
        let description: String?
        let arguments: [InputValue]
        let type: GraphQLTypeReference
    }

    /// An argument, or a field of an input object.
    struct InputValue: Sendable {
        let name: String
        let description: String?
        let type: GraphQLTypeReference
        let defaultValue: GraphQLValue?

        /// Whether a value must be given.
        var isRequired: Bool { type.isNonNull && defaultValue == nil }
    }

    struct EnumerationValue: Sendable {
        let name: String
        let description: String?
    }

    /// The fields of an object; nil for all else.
    var fields: [Field]? {
        if case .object(let fields) = kind { fields } else { nil }
    }

    func field(_ name: String) -> Field? { fields?.first { $0.name == name } }

    var isInput: Bool {
        if case .object = kind { false } else { true }
    }
}

extension GraphQLValue {
    /// The value as a document would write it, for `defaultValue` in introspection.
    var literal: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .int(let text), .float(let text), .enumeration(let text): text
        case .string(let text): Self.quoted(text)
        case .list(let items): "[\(items.map(\.literal).joined(separator: ", "))]"
        case .object(let members): "{\(members.map { "\($0.name): \($0.value.literal)" }.joined(separator: ", "))}"
        case .variable(let name): "$\(name)"
        case .json(let text): String(decoding: text, as: UTF8.self)
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
