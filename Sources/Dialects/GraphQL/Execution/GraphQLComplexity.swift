/// What a request may come to: each field counts 1, one that asks the broker 10, and what stands below a list counts as
/// often as the list may be long. Introspection's own lists count once: their length is the schema's.
enum GraphQLComplexity {
    /// What a field that asks the broker counts.
    static let question = 10

    static func check(
        _ operation: GraphQLDocument.Operation, _ collection: GraphQLFieldCollection, _ limits: GraphQLLimits
    ) throws(GraphQLError) {
        guard let root = RoostSchema.schema[GraphQLSchema.root(of: operation.kind)] else { return }
        let total = measure([operation.selections], of: root, collection, atMost: limits.complexity)
        guard total <= limits.complexity else {
            throw GraphQLError(
                "the request may come to more than \(limits.complexity) fields: ask for fewer, or for shorter lists",
                at: operation.location, code: "QUERY_TOO_COMPLEX")
        }
    }

    private static func measure(
        _ sets: [[GraphQLDocument.Selection]], of type: GraphQLType, _ collection: GraphQLFieldCollection, atMost limit: Int
    ) -> Int {
        var total = 0
        for group in collection.groups(of: sets, on: type.name) {
            total += cost(of: group.first.name, on: type.name)
            guard total <= limit else { return total }
            guard let field = RoostSchema.field(group.first.name, of: type),
                let inner = RoostSchema.schema[field.type.name], inner.fields != nil
            else { continue }
            let length = length(of: group.first, on: type.name, collection)
            let below = measure(group.selections, of: inner, collection, atMost: limit / length)
            total += below * length
            guard total <= limit else { return total }
        }
        return total
    }

    private static func cost(of field: String, on type: String) -> Int {
        switch (type, field) {
        case (_, "__typename"), (_, "__schema"), (_, "__type"): 1
        case ("Query", _), ("Mutation", _): question
        case ("Topic", "messages"), ("Topic", "bytes"), ("Topic", "subscribers"), ("Topic", "heads"): question
        default: 1
        }
    }

    /// How long the list below a field may be.
    private static func length(
        of field: GraphQLDocument.Field, on type: String, _ collection: GraphQLFieldCollection
    ) -> Int {
        switch (type, field.name) {
        case ("Query", "topics"): number("limit", of: field, collection) ?? 100
        case ("Query", "history"): number("last", of: field, collection) ?? 100
        default: 1
        }
    }

    private static func number(
        _ name: String, of field: GraphQLDocument.Field, _ collection: GraphQLFieldCollection
    ) -> Int? {
        var value = field.arguments.first { $0.name == name }?.value
        if case .variable(let name) = value { value = collection.variables[name] }
        guard case .int(let text) = value, let number = Int(text) else { return nil }
        return max(1, number)
    }
}
