/// Checks a document against the schema (GraphQL October 2021 §5), as far as anything could go wrong by it.
///
/// Fields are checked where operations reach them, fragments taken in, so that one walk also sees how deep a request goes
/// and whether fields of one response key agree. The walk itself is bounded by the limits.
struct GraphQLValidator {
    private let document: GraphQLDocument
    private let schema: GraphQLSchema
    private let limits: GraphQLLimits
    private let coercion: GraphQLCoercion
    private var operation: GraphQLDocument.Operation?
    private var usedVariables: Set<String> = []
    private var usedFragments: Set<String> = []
    private var visited = 0
    private var errors: [GraphQLError] = []

    /// The most errors that are told; a client has more to mend than to read after that.
    private static let errorLimit = 32

    /// What is wrong with a document; empty when nothing is.
    static func errors(
        in document: GraphQLDocument, schema: GraphQLSchema, limits: GraphQLLimits
    ) -> [GraphQLError] {
        var validator = GraphQLValidator(document, schema, limits)
        do throws(GraphQLError) {
            try validator.check()
            return validator.errors
        } catch {
            return validator.errors + [error]
        }
    }

    private init(_ document: GraphQLDocument, _ schema: GraphQLSchema, _ limits: GraphQLLimits) {
        self.document = document
        self.schema = schema
        self.limits = limits
        coercion = GraphQLCoercion(schema: schema)
    }

    private mutating func note(_ message: String, _ location: GraphQLError.Location) throws(GraphQLError) {
        let error = GraphQLError(message, at: location, code: "GRAPHQL_VALIDATION_FAILED")
        guard errors.count < Self.errorLimit else { throw error }
        errors.append(error)
    }

    private mutating func check() throws(GraphQLError) {
        try checkFragments()
        var names: Set<String> = []
        for operation in document.operations {
            if let name = operation.name, !names.insert(name).inserted {
                try note("There can be only one operation named \"\(name)\".", operation.location)
            }
            if operation.name == nil, document.operations.count > 1 {
                try note("This anonymous operation must be the only defined operation.", operation.location)
            }
            try check(operation)
        }
        for fragment in document.fragments.values.sorted(by: { $0.location.line < $1.location.line })
        where !usedFragments.contains(fragment.name) && errors.isEmpty {
            try note("Fragment \"\(fragment.name)\" is never used.", fragment.location)
        }
    }

    /// Types of fragments, and cycles among them (§5.5.2.2): whatever walks fragments afterwards comes to an end.
    private mutating func checkFragments() throws(GraphQLError) {
        var state: [String: Bool] = [:]
        for name in document.fragments.keys.sorted() {
            guard let fragment = document.fragments[name] else { continue }
            if schema[fragment.typeCondition]?.fields == nil {
                try note(
                    "Fragment \"\(name)\" cannot condition on \"\(fragment.typeCondition)\", which is no object type.",
                    fragment.location)
            }
            try visit(name, &state)
        }
    }

    /// - Parameter state: false for a fragment that is being visited, true for one that was.
    private mutating func visit(_ name: String, _ state: inout [String: Bool]) throws(GraphQLError) {
        guard state[name] == nil, let fragment = document.fragments[name] else { return }
        state[name] = false
        for (target, location) in spreads(in: fragment.selections) {
            if state[target] == false {
                throw GraphQLError(
                    "Cannot spread fragment \"\(target)\" within itself.", at: location,
                    code: "GRAPHQL_VALIDATION_FAILED")
            }
            try visit(target, &state)
        }
        state[name] = true
    }

    private func spreads(
        in selections: [GraphQLDocument.Selection]
    ) -> [(name: String, location: GraphQLError.Location)] {
        selections.flatMap { selection in
            switch selection {
            case .field(let field): spreads(in: field.selections)
            case .spread(let name, _, let location): [(name, location)]
            case .inline(_, _, let inner, _): spreads(in: inner)
            }
        }
    }

    // MARK: Operations

    private mutating func check(_ operation: GraphQLDocument.Operation) throws(GraphQLError) {
        self.operation = operation
        usedVariables = []
        var names: Set<String> = []
        for variable in operation.variables {
            if !names.insert(variable.name).inserted {
                try note("There can be only one variable named \"$\(variable.name)\".", variable.location)
            }
            guard let type = schema[variable.type.name] else {
                try note("Unknown type \"\(variable.type.name)\".", variable.location)
                continue
            }
            guard type.isInput else {
                try note(
                    "Variable \"$\(variable.name)\" cannot be non-input type \"\(variable.type)\".", variable.location)
                continue
            }
            if let value = variable.defaultValue {
                try check(value, as: variable.type, at: variable.location)
            }
        }
        try check(operation.directives, on: "QUERY", at: operation.location)
        guard let root = schema[GraphQLSchema.root(of: operation.kind)] else {
            return try note("The schema has no \(operation.kind.rawValue) type.", operation.location)
        }
        let fields = try check([operation.selections], of: root, depth: 1)
        if operation.kind == .subscription, fields != 1 {
            try note("A subscription must select only one top level field.", operation.location)
        }
        for variable in operation.variables where !usedVariables.contains(variable.name) && errors.isEmpty {
            try note("Variable \"$\(variable.name)\" is never used.", variable.location)
        }
    }

    // MARK: Selections

    /// Checks what is selected from one type, in several sets whose fields are merged; gives how many response keys there
    /// are.
    @discardableResult
    private mutating func check(
        _ sets: [[GraphQLDocument.Selection]], of type: GraphQLType, depth: Int
    ) throws(GraphQLError) -> Int {
        var groups: [(key: String, fields: [GraphQLDocument.Field])] = []
        var places: [String: Int] = [:]
        var spread: Set<String> = []
        for set in sets { try collect(set, of: type, &groups, &places, &spread) }
        for (_, fields) in groups { try check(fields, of: type, depth: depth) }
        return groups.count
    }

    private mutating func collect(
        _ selections: [GraphQLDocument.Selection], of type: GraphQLType,
        _ groups: inout [(key: String, fields: [GraphQLDocument.Field])], _ places: inout [String: Int],
        _ spread: inout Set<String>
    ) throws(GraphQLError) {
        for selection in selections {
            switch selection {
            case .field(let field):
                visited += 1
                guard visited <= limits.complexity else {
                    throw GraphQLError(
                        "the request selects more than \(limits.complexity) fields", at: field.location,
                        code: "QUERY_TOO_COMPLEX")
                }
                try check(field.directives, on: "FIELD", at: field.location)
                if let place = places[field.responseKey] {
                    groups[place].fields.append(field)
                } else {
                    places[field.responseKey] = groups.count
                    groups.append((field.responseKey, [field]))
                }
            case .spread(let name, let directives, let location):
                try check(directives, on: "FRAGMENT_SPREAD", at: location)
                usedFragments.insert(name)
                guard let fragment = document.fragments[name] else {
                    try note("Unknown fragment \"\(name)\".", location)
                    continue
                }
                guard spread.insert(name).inserted else { continue }
                try check(fragment.directives, on: "FRAGMENT_DEFINITION", at: fragment.location)
                guard fragment.typeCondition == type.name else {
                    try note(
                        "Fragment \"\(name)\" cannot be spread here as objects of type \"\(type.name)\" can never be of "
                            + "type \"\(fragment.typeCondition)\".", location)
                    continue
                }
                try collect(fragment.selections, of: type, &groups, &places, &spread)
            case .inline(let condition, let directives, let inner, let location):
                try check(directives, on: "INLINE_FRAGMENT", at: location)
                if let condition, condition != type.name {
                    let words =
                        schema[condition] == nil
                        ? "Unknown type \"\(condition)\"."
                        : "Fragment cannot be spread here as objects of type \"\(type.name)\" can never be of type "
                            + "\"\(condition)\"."
                    try note(words, location)
                    continue
                }
                try collect(inner, of: type, &groups, &places, &spread)
            }
        }
    }

    /// Checks the fields of one response key together.
    private mutating func check(
        _ fields: [GraphQLDocument.Field], of type: GraphQLType, depth: Int
    ) throws(GraphQLError) {
        let first = fields[0]
        guard depth <= limits.depth else {
            throw GraphQLError(
                "the request is deeper than \(limits.depth) levels", at: first.location, code: "QUERY_TOO_COMPLEX")
        }
        for field in fields.dropFirst() where field.name != first.name || !isSame(field.arguments, first.arguments) {
            return try note(
                "Fields \"\(first.responseKey)\" conflict because they ask for different things. Use different aliases "
                    + "on the fields to fetch both if this was intentional.", field.location)
        }
        guard let definition = RoostSchema.field(first.name, of: type) else {
            return try note("Cannot query field \"\(first.name)\" on type \"\(type.name)\".", first.location)
        }
        for field in fields {
            try check(
                field.arguments, definition.arguments, of: "Field \"\(field.name)\"", named: "field \"\(type.name).\(field.name)\"",
                at: field.location)
        }
        guard let result = schema[definition.type.name] else {
            preconditionFailure("the schema names only types that it has")
        }
        let isSelected = fields.contains { !$0.selections.isEmpty }
        if result.fields == nil {
            guard isSelected else { return }
            return try note(
                "Field \"\(first.name)\" must not have a selection since type \"\(definition.type)\" has no subfields.",
                first.location)
        }
        guard isSelected else {
            return try note(
                "Field \"\(first.name)\" of type \"\(definition.type)\" must have a selection of subfields.",
                first.location)
        }
        try check(fields.map(\.selections), of: result, depth: depth + 1)
    }

    private func isSame(_ left: [GraphQLDocument.Argument], _ right: [GraphQLDocument.Argument]) -> Bool {
        left.count == right.count
            && left.allSatisfy { each in right.contains { $0.name == each.name && $0.value == each.value } }
    }

    // MARK: Arguments and values

    private mutating func check(
        _ directives: [GraphQLDocument.Directive], on place: String, at location: GraphQLError.Location
    ) throws(GraphQLError) {
        var names: Set<String> = []
        for directive in directives {
            guard RoostSchema.directives.contains(where: { $0.name == directive.name }) else {
                try note("Unknown directive \"@\(directive.name)\".", directive.location)
                continue
            }
            guard ["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"].contains(place) else {
                try note("Directive \"@\(directive.name)\" may not be used on \(place).", directive.location)
                continue
            }
            if !names.insert(directive.name).inserted {
                try note(
                    "The directive \"@\(directive.name)\" can only be used once at this location.", directive.location)
            }
            try check(
                directive.arguments, [RoostSchema.condition], of: "Directive \"@\(directive.name)\"",
                named: "directive \"@\(directive.name)\"", at: directive.location)
        }
    }

    private mutating func check(
        _ given: [GraphQLDocument.Argument], _ definitions: [GraphQLType.InputValue], of owner: String,
        named words: String, at location: GraphQLError.Location
    ) throws(GraphQLError) {
        var names: Set<String> = []
        for argument in given {
            if !names.insert(argument.name).inserted {
                try note("There can be only one argument named \"\(argument.name)\".", argument.location)
            }
            guard let definition = definitions.first(where: { $0.name == argument.name }) else {
                try note("Unknown argument \"\(argument.name)\" on \(words).", argument.location)
                continue
            }
            try check(
                argument.value, as: definition.type, hasDefault: definition.defaultValue != nil, at: argument.location)
        }
        for definition in definitions where definition.isRequired && !names.contains(definition.name) {
            try note(
                "\(owner) argument \"\(definition.name)\" of type \"\(definition.type)\" is required, but it was not "
                    + "provided.", location)
        }
    }

    private mutating func check(
        _ value: GraphQLValue, as type: GraphQLTypeReference, hasDefault: Bool = false,
        at location: GraphQLError.Location
    ) throws(GraphQLError) {
        try checkVariables(in: value, as: type, hasDefault: hasDefault, at: location)
        if case .variable = value { return }
        do throws(GraphQLError) {
            _ = try coercion.literal(value, as: type, variables: nil, at: location)
        } catch {
            try note(error.message, location)
        }
    }

    /// Every variable is defined, and its type fits where it stands (§5.8.3, 5.8.5).
    private mutating func checkVariables(
        in value: GraphQLValue, as type: GraphQLTypeReference, hasDefault: Bool, at location: GraphQLError.Location
    ) throws(GraphQLError) {
        switch value {
        case .variable(let name):
            usedVariables.insert(name)
            guard let definition = operation?.variables.first(where: { $0.name == name }) else {
                return try note("Variable \"$\(name)\" is not defined.", location)
            }
            let hasValue = hasDefault || (definition.defaultValue.map { $0 != .null } ?? false)
            let wanted = hasValue ? type.nullable : type
            if !Self.fits(definition.type, wanted) {
                try note(
                    "Variable \"$\(name)\" of type \"\(definition.type)\" used in position expecting type \"\(type)\".",
                    location)
            }
        case .list(let items):
            let inner: GraphQLTypeReference = if case .list(let item) = type.nullable { item } else { type }
            for item in items { try checkVariables(in: item, as: inner, hasDefault: false, at: location) }
        case .object(let members):
            guard case .named(let name) = type.nullable, let owner = schema[name] else { return }
            for member in members {
                if case .input(let fields) = owner.kind, let field = fields.first(where: { $0.name == member.name }) {
                    try checkVariables(
                        in: member.value, as: field.type, hasDefault: field.defaultValue != nil, at: location)
                } else if owner.name == "JSON" {
                    // Any value may stand inside, and so may a variable of any type.
                    for name in variables(in: member.value) { try use(name, at: location) }
                }
            }
        case .null, .bool, .int, .float, .string, .enumeration, .json: break
        }
    }

    private mutating func use(_ name: String, at location: GraphQLError.Location) throws(GraphQLError) {
        usedVariables.insert(name)
        guard operation?.variables.contains(where: { $0.name == name }) == true else {
            return try note("Variable \"$\(name)\" is not defined.", location)
        }
    }

    private func variables(in value: GraphQLValue) -> [String] {
        switch value {
        case .variable(let name): [name]
        case .list(let items): items.flatMap { variables(in: $0) }
        case .object(let members): members.flatMap { variables(in: $0.value) }
        case .null, .bool, .int, .float, .string, .enumeration, .json: []
        }
    }

    /// AreTypesCompatible() of §5.8.5.
    private static func fits(_ type: GraphQLTypeReference, _ wanted: GraphQLTypeReference) -> Bool {
        switch (type, wanted) {
        case (.nonNull(let left), .nonNull(let right)): fits(left, right)
        case (_, .nonNull): false
        case (.nonNull(let left), _): fits(left, wanted)
        case (.list(let left), .list(let right)): fits(left, right)
        case (.list, _), (_, .list): false
        // A JSON value may be anything that a variable brings.
        case (.named(let left), .named(let right)): left == right || right == "JSON"
        }
    }
}
