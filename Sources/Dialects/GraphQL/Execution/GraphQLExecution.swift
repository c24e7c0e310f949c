import Broker
import JSON
import Model

/// Carries out a plan (GraphQL October 2021 §6), in rounds: a round walks the whole request with what is known, and says
/// what it needs the core to answer; when nothing is missing the response is there.
///
/// The fields of a mutation are asked in one round, in their order, which the core keeps: each takes effect before the
/// next, as §6.2.2 wants it.
struct GraphQLExecution: Sendable {
    let plan: GraphQLPlan
    /// What the operation's fields are selected from.
    private let root: GraphQLObject
    private var answers: [[GraphQLError.PathPart]: Reply] = [:]
    private var errors: [GraphQLError] = []
    private var missing: [Question] = []
    private var bytes = 0
    /// Set when the response has become larger than it may be, which ends the walk.
    private var excess: GraphQLError?

    /// The most errors that a response tells; those behind it are left out.
    private static let errorLimit = 100

    /// What a round needs to know.
    struct Question: Sendable {
        /// Where in the response the answer belongs.
        let path: [GraphQLError.PathPart]
        let command: Command
    }

    /// What a round came to.
    enum Outcome: Sendable {
        /// Ask these, in this order, give the answers to ``answer(_:_:)``, and walk again.
        case needs([Question])
        /// The response: an object of `data`, and `errors` where there are any.
        case done([UInt8])
    }

    /// - Parameter root: what a subscription's event is; nil for queries and mutations.
    init(_ plan: GraphQLPlan, root: GraphQLObject? = nil) {
        self.plan = plan
        self.root = root ?? (plan.operation.kind == .mutation ? .mutation : .query)
    }

    /// Takes the core's answer to a question.
    mutating func answer(_ path: [GraphQLError.PathPart], _ reply: Reply) { answers[path] = reply }

    /// Walks the request.
    mutating func advance() -> Outcome {
        (errors, missing, bytes, excess) = ([], [], 0, nil)
        var data = Node.null
        do throws(Absence) {
            data = try select(
                [plan.operation.selections], from: root, GraphQLSchema.root(of: plan.operation.kind), at: [])
        } catch {
            data = .null
        }
        guard missing.isEmpty else { return .needs(missing) }
        if let excess { (data, errors) = (.null, [excess]) }
        var writer = JSONWriter(reservingCapacity: bytes + 64)
        writer.beginObject()
        writer.key("data")
        data.write(to: &writer)
        if !errors.isEmpty {
            writer.key("errors")
            GraphQLError.write(errors, to: &writer)
        }
        writer.endObject()
        return .done(writer.bytes)
    }

    /// A part of the response.
    private indirect enum Node {
        case null
        /// Not known yet; the response is not used while there are any.
        case pending
        case json([UInt8])
        case list([Node])
        case object([(key: String, value: Node)])

        func write(to writer: inout JSONWriter) {
            switch self {
            case .null, .pending: writer.null()
            case .json(let text): writer.raw(text)
            case .list(let items):
                writer.beginArray()
                for item in items { item.write(to: &writer) }
                writer.endArray()
            case .object(let members):
                writer.beginObject()
                for (key, value) in members {
                    writer.key(key)
                    value.write(to: &writer)
                }
                writer.endObject()
            }
        }
    }

    /// A value that may not be null is: what holds it becomes null in its place (§6.4.4).
    private struct Absence: Error {}

    private mutating func select(
        _ sets: [[GraphQLDocument.Selection]], from object: GraphQLObject, _ typeName: String,
        at path: [GraphQLError.PathPart]
    ) throws(Absence) -> Node {
        guard let type = RoostSchema.schema[typeName] else { preconditionFailure("objects are of the schema's types") }
        var members: [(key: String, value: Node)] = []
        var isAbsent = false
        for group in plan.collection.groups(of: sets, on: typeName) {
            guard let field = RoostSchema.field(group.first.name, of: type) else { continue }
            // All fields are walked in any case, so that a mutation's are all asked.
            do throws(Absence) {
                members.append((group.key, try value(of: group, field, from: object, typeName, at: path)))
            } catch {
                isAbsent = true
            }
        }
        if isAbsent { throw Absence() }
        return .object(members)
    }

    private mutating func value(
        of group: GraphQLFieldCollection.Group, _ field: GraphQLType.Field, from object: GraphQLObject,
        _ typeName: String, at path: [GraphQLError.PathPart]
    ) throws(Absence) -> Node {
        let place = path + [.key(group.key)]
        if field.name == "__typename" {
            return .json(Array("\"\(typeName)\"".utf8))
        }
        let location = group.first.location
        do {
            let arguments = try GraphQLCoercion(schema: RoostSchema.schema).arguments(
                field.arguments, given: group.first.arguments, variables: plan.collection.variables, at: location)
            let resolved = try resolve(field.name, arguments, of: object, at: path, place)
            return try complete(resolved, field.type, group, at: place)
        } catch let error as GraphQLError {
            var error = error
            if error.path.isEmpty { error.path = place }
            if error.locations.isEmpty { error.locations = [location] }
            if errors.count < Self.errorLimit { errors.append(error) }
            if field.type.isNonNull { throw Absence() }
            return .null
        } catch {
            if field.type.isNonNull { throw Absence() }
            return .null
        }
    }

    /// A field's value, from the object itself or from the core's answer; nil while the answer is missing.
    private mutating func resolve(
        _ field: String, _ arguments: GraphQLCoercion.Values, of object: GraphQLObject,
        at path: [GraphQLError.PathPart], _ place: [GraphQLError.PathPart]
    ) throws(GraphQLError) -> GraphQLResolved? {
        switch try object.resolve(field, GraphQLArguments(values: arguments)) {
        case .value(let value): return value
        case .ask(let command, let isOfObject):
            let key = isOfObject ? path : place
            guard let reply = answers[key] else {
                if !missing.contains(where: { $0.path == key }) { missing.append(Question(path: key, command: command)) }
                return nil
            }
            return try GraphQLResolved(reply, field: field)
        }
    }

    private mutating func complete(
        _ value: GraphQLResolved?, _ type: GraphQLTypeReference, _ group: GraphQLFieldCollection.Group,
        at path: [GraphQLError.PathPart]
    ) throws -> Node {
        guard let value else { return .pending }
        switch (type, value) {
        case (.nonNull(let inner), _):
            let node = try complete(value, inner, group, at: path)
            if case .null = node, excess == nil {
                throw GraphQLError("Cannot return null for non-nullable field.", code: "INTERNAL_ERROR")
            }
            return node
        case (_, .null): return .null
        case (.list(let item), .list(let values)):
            var items: [Node] = []
            var isAbsent = false
            // All of them in any case, so that what they need is asked in one round.
            for (index, each) in values.enumerated() {
                do {
                    items.append(try complete(each, item, group, at: path + [.index(index)]))
                } catch is Absence {
                    if item.isNonNull { isAbsent = true } else { items.append(.null) }
                }
            }
            if isAbsent { throw Absence() }
            return .list(items)
        case (.named, .json(let text)):
            bytes += text.count + group.key.utf8.count + 4
            if bytes > plan.limits.resultBytes {
                excess = GraphQLError(
                    "the response would be larger than \(plan.limits.resultBytes) bytes: ask for less",
                    code: "RESULT_TOO_LARGE")
            }
            return .json(text)
        case (.named(let name), .object(let object)):
            guard excess == nil else { return .null }
            return try select(group.selections, from: object, name, at: path)
        case (.list, _), (.named, .list):
            preconditionFailure("\(group.first.name) was resolved to another kind of value than its type")
        }
    }
}
