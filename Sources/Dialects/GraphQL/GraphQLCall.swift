import Broker
import JSON

/// One request over HTTP (GraphQL over HTTP, May 2023), in rounds: questions for the core, answers, the response.
package struct GraphQLCall: Sendable {
    private var execution: GraphQLExecution
    private var questions: [GraphQLExecution.Question] = []

    /// What a round came to.
    package enum Outcome: Sendable {
        /// Carry these out in their order and give the replies to ``answer(_:)``.
        case needs([Command])
        /// The response's text.
        case done([UInt8])
    }

    /// A request that is not carried out, with the response that says why.
    package struct Rejected: Error {
        package let response: [UInt8]

        init(_ errors: [GraphQLError]) {
            var writer = JSONWriter()
            writer.beginObject()
            writer.key("errors")
            GraphQLError.write(errors, to: &writer)
            writer.endObject()
            response = writer.bytes
        }

        /// The response to a refusal of the request as a whole.
        package init(_ refusal: Refusal) { self.init([GraphQLError(refusal, at: nil, path: [])]) }
    }

    /// Reads and checks the body of a request.
    package init(body: [UInt8], limits: GraphQLLimits) throws(Rejected) {
        let plan: GraphQLPlan
        do throws(GraphQLPlan.Rejection) {
            plan = try GraphQLPlan(try Self.request(body), limits: limits)
        } catch {
            throw Rejected(error.errors)
        }
        guard plan.operation.kind != .subscription else {
            throw Rejected([
                GraphQLError(
                    "subscriptions need a WebSocket: use /graphql/ws", at: plan.operation.location, code: "NOT_SUPPORTED")
            ])
        }
        execution = GraphQLExecution(plan)
    }

    private static func request(_ body: [UInt8]) throws(GraphQLPlan.Rejection) -> GraphQLRequest {
        let view: JSONView
        do throws(JSONError) { view = try JSONView(parsing: body) } catch {
            throw GraphQLPlan.Rejection(errors: [GraphQLError("the body is no JSON: \(error.description)")])
        }
        do throws(GraphQLError) { return try GraphQLRequest(view) } catch {
            throw GraphQLPlan.Rejection(errors: [error])
        }
    }

    /// Walks the request.
    package mutating func advance() -> Outcome {
        switch execution.advance() {
        case .needs(let questions):
            self.questions = questions
            return .needs(questions.map(\.command))
        case .done(let response): return .done(response)
        }
    }

    /// Takes one reply for each of the commands, in their order.
    package mutating func answer(_ replies: [Reply]) {
        precondition(replies.count == questions.count, "each command has one reply")
        for (question, reply) in zip(questions, replies) { execution.answer(question.path, reply) }
    }
}
