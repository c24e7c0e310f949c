import Broker
import JSON
import Model

/// One operation of a conversation, from `subscribe` to `complete`.
struct GraphQLOperation {
    let id: String
    /// The conversation's own number of it, its branch's too.
    let number: UInt32
    /// What a subscription follows; nil for a query or mutation.
    let source: Command?
    /// Whether a subscription is told of its places.
    let tellsNotices: Bool
    private let plan: GraphQLPlan
    private var execution: GraphQLExecution
    private var questions: [GraphQLExecution.Question] = []
    private var waiting = 0

    /// Reads what a subscription follows; the one field that it selects says it.
    init(id: String, number: UInt32, plan: GraphQLPlan) throws(GraphQLError) {
        self.id = id
        self.number = number
        self.plan = plan
        execution = GraphQLExecution(plan)
        guard plan.operation.kind == .subscription, let field = plan.subscriptionField else {
            (source, tellsNotices) = (nil, false)
            return
        }
        let arguments = try plan.arguments(of: field)
        do throws(GraphQLError) {
            source = try GraphQLCommands.subscription(field.name, arguments)
        } catch {
            var error = error
            error.locations = [field.location]
            error.path = [.key(field.responseKey)]
            throw error
        }
        tellsNotices = arguments.bool("notices")
    }

    var branch: BranchID { BranchID(rawValue: number) }

    /// The topic whose members a subscription is told of; nil where it tells something else.
    var watched: TopicName? {
        guard case .subscribe(let subscribe)? = source, subscribe.presence == .observer else { return nil }
        return subscribe.filters.first?.exact
    }

    /// The response's key of what a subscription tells.
    var responseKey: String { plan.subscriptionField?.responseKey ?? "" }

    var location: GraphQLError.Location? { plan.subscriptionField?.location }

    /// Whether the topic was named, and not found by a wildcard.
    func follows(exactly topic: TopicName) -> Bool {
        guard case .subscribe(let subscribe)? = source else { return false }
        return subscribe.filters.contains { $0.exact == topic }
    }

    // MARK: Queries and mutations

    /// Walks the request; what it needs is asked by its index.
    mutating func advance() -> GraphQLExecution.Outcome {
        let outcome = execution.advance()
        if case .needs(let questions) = outcome { (self.questions, waiting) = (questions, questions.count) }
        return outcome
    }

    /// Takes an answer; says whether it was the last that is waited for.
    mutating func answer(_ index: Int, _ reply: Reply) -> Bool {
        guard questions.indices.contains(index) else { return false }
        execution.answer(questions[index].path, reply)
        waiting -= 1
        return waiting == 0
    }

    // MARK: Subscriptions

    /// How events of a subscription are written: the result is the same for all with the same document and variables.
    var form: BranchForm {
        let plan = plan
        return BranchForm(
            body: BranchBody(key: plan.key) { Self.result(plan, .delivery($0)) }, head: GraphQLMessage.nextHead(id),
            tail: Array("}".utf8))
    }

    /// The text that tells figures.
    func update(_ figures: NodeFigures) -> [UInt8] { GraphQLMessage.next(id, Self.result(plan, .update(figures))) }

    /// The text that tells who is there, came, changed or went.
    func update(_ presence: GraphQLPresence) -> [UInt8] {
        GraphQLMessage.next(id, Self.result(plan, .attendance(presence)))
    }

    private static func result(_ plan: GraphQLPlan, _ root: GraphQLObject) -> [UInt8] {
        var execution = GraphQLExecution(plan, root: root)
        guard case .done(let result) = execution.advance() else {
            preconditionFailure("a message has all that can be selected from it")
        }
        return result
    }

    /// The text that tells what was lost for good.
    func gap(_ topic: TopicName, _ gap: Gap) -> [UInt8] {
        var error = GraphQLError(
            "messages \(gap.from) to \(gap.to) of partition \(gap.partition) are lost", at: location, code: "GAP")
        error.path = [.key(responseKey)]
        error.details = [
            GraphQLError.Detail(key: "topic", value: .text(topic.text)),
            GraphQLError.Detail(key: "partition", value: .text(gap.partition.description)),
            GraphQLError.Detail(key: "from", value: .number(gap.from)),
            GraphQLError.Detail(key: "to", value: .number(gap.to)),
            GraphQLError.Detail(key: "reason", value: .text(gap.reason.rawValue)),
        ]
        return GraphQLMessage.nothing(id, responseKey, errors: [error]) { _ in }
    }

    /// A text without an event, whose `extensions` say something under a name.
    func notice(_ name: StaticString, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        GraphQLMessage.nothing(id, responseKey, errors: []) { writer in
            writer.key("extensions")
            writer.beginObject()
            writer.key(name)
            body(&writer)
            writer.endObject()
        }
    }
}

extension GraphQLPlan {
    /// The one field of a subscription.
    var subscriptionField: GraphQLDocument.Field? {
        collection.groups(of: [operation.selections], on: "Subscription").first?.first
    }

    /// A root field's arguments.
    func arguments(of field: GraphQLDocument.Field) throws(GraphQLError) -> GraphQLArguments {
        guard let type = RoostSchema.schema[GraphQLSchema.root(of: operation.kind)],
            let definition = RoostSchema.field(field.name, of: type)
        else { return GraphQLArguments(values: [:]) }
        return GraphQLArguments(
            values: try GraphQLCoercion(schema: RoostSchema.schema).arguments(
                definition.arguments, given: field.arguments, variables: collection.variables, at: field.location))
    }
}
