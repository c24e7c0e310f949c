/// The schema as its own types show it (GraphQL October 2021 §4.2).
enum GraphQLIntrospection: Sendable {
    case schema
    case type(GraphQLTypeReference)
    case field(GraphQLType.Field)
    case input(GraphQLType.InputValue)
    case value(GraphQLType.EnumerationValue)
    /// `skip` or `include`.
    case directive(name: String, description: String)

    /// A type by its name; null where there is none.
    static func type(named name: String) -> GraphQLResolved {
        RoostSchema.schema[name] == nil ? .null : .object(.introspection(.type(.named(name))))
    }

    func resolve(_ field: String) -> GraphQLResolved {
        switch self {
        case .schema: Self.schema(field)
        case .type(.named(let name)): Self.named(field, name)
        case .type(.list(let item)): Self.wrapped(field, "LIST", item)
        case .type(.nonNull(let type)): Self.wrapped(field, "NON_NULL", type)
        case .field(let definition): Self.field(field, definition)
        case .input(let definition): Self.input(field, definition)
        case .value(let value): Self.common(field, value.name, value.description)
        case .directive(let name, let description): Self.directive(field, name, description)
        }
    }

    private static func objects(_ values: [GraphQLIntrospection]) -> GraphQLResolved {
        .list(values.map { .object(.introspection($0)) })
    }

    private static func schema(_ field: String) -> GraphQLResolved {
        switch field {
        case "description": .text("What a node of Roost, a clustered publish/subscribe broker, answers.")
        case "types": objects(RoostSchema.schema.types.map { .type(.named($0.name)) })
        case "queryType": type(named: "Query")
        case "mutationType": type(named: "Mutation")
        case "subscriptionType": type(named: "Subscription")
        case "directives": objects(RoostSchema.directives.map { .directive(name: $0.name, description: $0.description) })
        default: .null
        }
    }

    private static func named(_ field: String, _ name: String) -> GraphQLResolved {
        guard let type = RoostSchema.schema[name] else { return .null }
        switch (field, type.kind) {
        case ("kind", .scalar): return .text("SCALAR")
        case ("kind", .object): return .text("OBJECT")
        case ("kind", .input): return .text("INPUT_OBJECT")
        case ("kind", .enumeration): return .text("ENUM")
        case ("name", _): return .text(name)
        case ("description", _): return .text(type.description)
        case ("fields", .object(let fields)): return objects(fields.map { .field($0) })
        case ("interfaces", .object): return .list([])
        case ("inputFields", .input(let fields)): return objects(fields.map { .input($0) })
        case ("enumValues", .enumeration(let values)): return objects(values.map { .value($0) })
        case ("isOneOf", .input): return .bool(false)
        default: return .null
        }
    }

    private static func wrapped(_ field: String, _ kind: String, _ type: GraphQLTypeReference) -> GraphQLResolved {
        switch field {
        case "kind": .text(kind)
        case "ofType": .object(.introspection(.type(type)))
        default: .null
        }
    }

    private static func field(_ field: String, _ definition: GraphQLType.Field) -> GraphQLResolved {
        switch field {
        case "args": objects(definition.arguments.map { .input($0) })
        case "type": .object(.introspection(.type(definition.type)))
        default: common(field, definition.name, definition.description)
        }
    }

    private static func input(_ field: String, _ definition: GraphQLType.InputValue) -> GraphQLResolved {
        switch field {
        case "type": .object(.introspection(.type(definition.type)))
        case "defaultValue": .text(definition.defaultValue?.literal)
        default: common(field, definition.name, definition.description)
        }
    }

    private static func directive(_ field: String, _ name: String, _ description: String) -> GraphQLResolved {
        switch field {
        case "locations": .list(["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"].map { .text($0) })
        case "args": objects([.input(RoostSchema.condition)])
        case "isRepeatable": .bool(false)
        default: common(field, name, description)
        }
    }

    /// What fields, arguments, values and directives have in common; nothing of this schema is deprecated.
    private static func common(_ field: String, _ name: String, _ description: String?) -> GraphQLResolved {
        switch field {
        case "name": .text(name)
        case "description": .text(description)
        case "isDeprecated": .bool(false)
        default: .null
        }
    }
}
