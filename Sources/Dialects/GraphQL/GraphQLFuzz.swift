/// Reads bytes as a GraphQL document and carries it out as far as it goes; for fuzzers and property tests.
///
/// Refused documents are fine, but nothing may stop the program, and what is carried out must come to an end.
/// - Returns: whether the bytes are a valid document within the limits.
@discardableResult
package func fuzzGraphQL(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let text = String(validating: bytes, as: UTF8.self) else { return false }
    let limits = GraphQLLimits()
    let document: GraphQLDocument
    do throws(GraphQLError) {
        document = try GraphQLParser.parse(text, limits: limits)
    } catch {
        for location in error.locations { precondition(location.line > 0 && location.column > 0, "no such place") }
        return false
    }
    guard GraphQLValidator.errors(in: document, schema: RoostSchema.schema, limits: limits).isEmpty,
        let plan = try? GraphQLPlan(GraphQLRequest(text), limits: limits), plan.operation.kind != .subscription
    else { return false }
    var execution = GraphQLExecution(plan)
    var rounds = 0
    while case .needs(let questions) = execution.advance() {
        rounds += 1
        precondition(rounds <= 3, "a request asks again and again")
        for question in questions { execution.answer(question.path, .refused(.rateLimited)) }
    }
    return true
}
