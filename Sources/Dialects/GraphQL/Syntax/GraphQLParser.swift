/// Reads an executable document (GraphQL October 2021 §2).
///
/// It recurses only as deep as ``nestingLimit``, and reads only as many tokens as the limits say.
struct GraphQLParser {
    /// How deep selections, values and types may nest.
    static let nestingLimit = 64

    private var scanner: GraphQLScanner
    private(set) var token: GraphQLToken
    private var tokensLeft: Int
    private var nesting = 0

    /// Reads a whole document.
    static func parse(_ text: String, limits: GraphQLLimits) throws(GraphQLError) -> GraphQLDocument {
        var parser = try GraphQLParser(text, limits: limits)
        return try parser.document()
    }

    init(_ text: String, limits: GraphQLLimits) throws(GraphQLError) {
        scanner = GraphQLScanner(text)
        tokensLeft = limits.tokens
        token = try scanner.next()
    }

    // MARK: Tokens

    mutating func advance() throws(GraphQLError) {
        tokensLeft -= 1
        guard tokensLeft > 0 else {
            throw GraphQLError("the document has too many tokens", at: token.location, code: "QUERY_TOO_COMPLEX")
        }
        token = try scanner.next()
    }

    func expected(_ words: String) -> GraphQLError {
        GraphQLError(
            "Syntax Error: expected \(words), found \(token.words)", at: token.location, code: "GRAPHQL_PARSE_FAILED")
    }

    private func isPunctuator(_ text: String) -> Bool { token.kind == .punctuator(text) }

    mutating func skip(_ text: String) throws(GraphQLError) -> Bool {
        guard isPunctuator(text) else { return false }
        try advance()
        return true
    }

    mutating func expect(_ text: String) throws(GraphQLError) {
        guard try skip(text) else { throw expected("\"\(text)\"") }
    }

    mutating func name(_ words: String = "a name") throws(GraphQLError) -> String {
        guard case .name(let name) = token.kind else { throw expected(words) }
        try advance()
        return name
    }

    private mutating func nested<Result>(
        _ body: (inout GraphQLParser) throws(GraphQLError) -> Result
    ) throws(GraphQLError) -> Result {
        nesting += 1
        guard nesting <= Self.nestingLimit else {
            throw GraphQLError(
                "the document nests deeper than \(Self.nestingLimit) levels", at: token.location, code: "QUERY_TOO_COMPLEX")
        }
        let result = try body(&self)
        nesting -= 1
        return result
    }

    // MARK: Definitions

    private mutating func document() throws(GraphQLError) -> GraphQLDocument {
        var document = GraphQLDocument()
        repeat {
            if isPunctuator("{") || isOperationKeyword {
                document.operations.append(try operation())
            } else if token.kind == .name("fragment") {
                let fragment = try fragment()
                guard document.fragments.updateValue(fragment, forKey: fragment.name) == nil else {
                    throw GraphQLError(
                        "There can be only one fragment named \"\(fragment.name)\".", at: fragment.location,
                        code: "GRAPHQL_VALIDATION_FAILED")
                }
            } else {
                throw expected("an operation or a fragment")
            }
        } while token.kind != .end
        return document
    }

    private var isOperationKeyword: Bool {
        guard case .name(let name) = token.kind else { return false }
        return GraphQLDocument.OperationKind(rawValue: name) != nil
    }

    private mutating func operation() throws(GraphQLError) -> GraphQLDocument.Operation {
        let location = token.location
        if isPunctuator("{") {
            return GraphQLDocument.Operation(
                kind: .query, name: nil, variables: [], directives: [], selections: try selections(),
                location: location)
        }
        guard let kind = GraphQLDocument.OperationKind(rawValue: try name()) else {
            preconditionFailure("an operation's keyword was seen")
        }
        var given: String?
        if case .name(let name) = token.kind {
            given = name
            try advance()
        }
        let variables = try variables()
        let directives = try directives()
        return GraphQLDocument.Operation(
            kind: kind, name: given, variables: variables, directives: directives, selections: try selections(),
            location: location)
    }

    private mutating func variables() throws(GraphQLError) -> [GraphQLDocument.VariableDefinition] {
        guard try skip("(") else { return [] }
        var variables: [GraphQLDocument.VariableDefinition] = []
        repeat {
            let location = token.location
            try expect("$")
            let name = try name("a variable's name")
            try expect(":")
            let type = try type()
            let defaultValue = try skip("=") ? try value(isConstant: true) : nil
            _ = try directives()
            variables.append(
                GraphQLDocument.VariableDefinition(
                    name: name, type: type, defaultValue: defaultValue, location: location))
        } while try !skip(")")
        return variables
    }

    private mutating func fragment() throws(GraphQLError) -> GraphQLDocument.Fragment {
        let location = token.location
        try advance()
        guard token.kind != .name("on") else { throw expected("a fragment's name other than \"on\"") }
        let name = try name("a fragment's name")
        guard token.kind == .name("on") else { throw expected("\"on\"") }
        try advance()
        let condition = try self.name("a type's name")
        let directives = try directives()
        return GraphQLDocument.Fragment(
            name: name, typeCondition: condition, directives: directives, selections: try selections(),
            location: location)
    }

    mutating func type() throws(GraphQLError) -> GraphQLTypeReference {
        try nested { (parser) throws(GraphQLError) in
            var type: GraphQLTypeReference
            if try parser.skip("[") {
                type = .list(try parser.type())
                try parser.expect("]")
            } else {
                type = .named(try parser.name("a type"))
            }
            if try parser.skip("!") { type = .nonNull(type) }
            return type
        }
    }

    // MARK: Selections

    private mutating func selections() throws(GraphQLError) -> [GraphQLDocument.Selection] {
        try nested { (parser) throws(GraphQLError) in
            try parser.expect("{")
            var selections: [GraphQLDocument.Selection] = []
            repeat { selections.append(try parser.selection()) } while try !parser.skip("}")
            return selections
        }
    }

    private mutating func selection() throws(GraphQLError) -> GraphQLDocument.Selection {
        let location = token.location
        guard try skip("...") else { return .field(try field()) }
        if case .name(let name) = token.kind, name != "on" {
            try advance()
            return .spread(name: name, directives: try directives(), location: location)
        }
        var condition: String?
        if token.kind == .name("on") {
            try advance()
            condition = try name("a type's name")
        }
        let directives = try directives()
        return .inline(
            typeCondition: condition, directives: directives, selections: try selections(), location: location)
    }

    private mutating func field() throws(GraphQLError) -> GraphQLDocument.Field {
        let location = token.location
        var name = try name("a field")
        var alias: String?
        if try skip(":") {
            alias = name
            name = try self.name("a field")
        }
        let arguments = try arguments(isConstant: false)
        let directives = try directives()
        return GraphQLDocument.Field(
            alias: alias, name: name, arguments: arguments, directives: directives,
            selections: isPunctuator("{") ? try selections() : [], location: location)
    }

    private mutating func arguments(isConstant: Bool) throws(GraphQLError) -> [GraphQLDocument.Argument] {
        guard try skip("(") else { return [] }
        var arguments: [GraphQLDocument.Argument] = []
        repeat {
            let location = token.location
            let name = try name("an argument's name")
            try expect(":")
            arguments.append(
                GraphQLDocument.Argument(name: name, value: try value(isConstant: isConstant), location: location))
        } while try !skip(")")
        return arguments
    }

    private mutating func directives() throws(GraphQLError) -> [GraphQLDocument.Directive] {
        var directives: [GraphQLDocument.Directive] = []
        while isPunctuator("@") {
            let location = token.location
            try advance()
            let name = try name("a directive's name")
            directives.append(
                GraphQLDocument.Directive(
                    name: name, arguments: try arguments(isConstant: false), location: location))
        }
        return directives
    }

    // MARK: Values

    mutating func value(isConstant: Bool) throws(GraphQLError) -> GraphQLValue {
        try nested { (parser) throws(GraphQLError) in
            let kind = parser.token.kind
            switch kind {
            case .punctuator("$") where !isConstant:
                try parser.advance()
                return .variable(try parser.name("a variable's name"))
            case .punctuator("["): return try parser.list(isConstant)
            case .punctuator("{"): return try parser.object(isConstant)
            case .punctuator, .end: throw parser.expected("a value")
            case .int(let text):
                try parser.advance()
                return .int(text)
            case .float(let text):
                try parser.advance()
                return .float(text)
            case .string(let text):
                try parser.advance()
                return .string(text)
            case .name(let name):
                try parser.advance()
                switch name {
                case "true": return .bool(true)
                case "false": return .bool(false)
                case "null": return .null
                default: return .enumeration(name)
                }
            }
        }
    }

    private mutating func list(_ isConstant: Bool) throws(GraphQLError) -> GraphQLValue {
        try expect("[")
        var items: [GraphQLValue] = []
        while try !skip("]") { items.append(try value(isConstant: isConstant)) }
        return .list(items)
    }

    private mutating func object(_ isConstant: Bool) throws(GraphQLError) -> GraphQLValue {
        try expect("{")
        var members: [GraphQLValue.Member] = []
        while try !skip("}") {
            let name = try name("a field's name")
            try expect(":")
            members.append(GraphQLValue.Member(name: name, value: try value(isConstant: isConstant)))
        }
        return .object(members)
    }
}
