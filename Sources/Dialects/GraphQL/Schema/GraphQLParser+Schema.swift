/// Reads type definitions (GraphQL October 2021 §3), as far as our own schema needs them: scalars, objects, inputs, enums.
extension GraphQLParser {
    /// Reads the program's own schema; a slip in it stops the program.
    static func schema(_ text: String) -> GraphQLSchema {
        do {
            var parser = try GraphQLParser(text, limits: GraphQLLimits())
            var types: [GraphQLType] = []
            while parser.token.kind != .end { types.append(try parser.typeDefinition()) }
            return GraphQLSchema(types: types)
        } catch {
            preconditionFailure("the schema's text: \(error.message) at \(error.locations)")
        }
    }

    private mutating func description() throws(GraphQLError) -> String? {
        guard case .string(let text) = token.kind else { return nil }
        try advance()
        return text
    }

    private mutating func typeDefinition() throws(GraphQLError) -> GraphQLType {
        let description = try description()
        let keyword = try name("a kind of type")
        let name = try name("a type's name")
        let kind: GraphQLType.Kind
        switch keyword {
        case "scalar": kind = .scalar
        case "type": kind = .object(try members { (parser) throws(GraphQLError) in try parser.fieldDefinition() })
        case "input": kind = .input(try members { (parser) throws(GraphQLError) in try parser.inputValue() })
        case "enum":
            kind = .enumeration(
                try members { (parser) throws(GraphQLError) in
                    let description = try parser.description()
                    return GraphQLType.EnumerationValue(name: try parser.name(), description: description)
                })
        default: throw expected("scalar, type, input or enum")
        }
        return GraphQLType(name: name, description: description, kind: kind)
    }

    private mutating func members<Member>(
        _ member: (inout GraphQLParser) throws(GraphQLError) -> Member
    ) throws(GraphQLError) -> [Member] {
        try expect("{")
        var members: [Member] = []
        while try !skip("}") { members.append(try member(&self)) }
        return members
    }

    private mutating func fieldDefinition() throws(GraphQLError) -> GraphQLType.Field {
        let description = try description()
        let name = try name("a field")
        var arguments: [GraphQLType.InputValue] = []
        if try skip("(") {
            while try !skip(")") { arguments.append(try inputValue()) }
        }
        try expect(":")
        return GraphQLType.Field(name: name, description: description, arguments: arguments, type: try type())
    }

    private mutating func inputValue() throws(GraphQLError) -> GraphQLType.InputValue {
        let description = try description()
        let name = try name("an argument")
        try expect(":")
        let type = try type()
        let defaultValue = try skip("=") ? try value(isConstant: true) : nil
        return GraphQLType.InputValue(name: name, description: description, type: type, defaultValue: defaultValue)
    }
}
