import JSON

/// A request's three parts, as it brings them (GraphQL over HTTP, and `payload` of `subscribe`).
struct GraphQLRequest: Sendable {
    let query: String
    let operationName: String?
    /// The raw `variables`, an object; nil for none.
    let variables: JSONView?

    /// A document alone.
    init(_ query: String) {
        (self.query, operationName, variables) = (query, nil, nil)
    }

    /// Reads the object that holds them.
    init(_ view: JSONView) throws(GraphQLError) {
        let fields: [JSONView?]
        do throws(JSONError) {
            fields = try view.fields(["query", "operationName", "variables"])
        } catch {
            throw GraphQLError("the request must be an object {\"query\": …}: \(error.description)")
        }
        guard let query = fields[0]?.string else {
            throw GraphQLError("\"query\" is missing; it must be a string with a GraphQL document")
        }
        self.query = query
        if let name = fields[1], !name.isNull {
            guard let text = name.string else { throw GraphQLError("\"operationName\" must be a string") }
            operationName = text.isEmpty ? nil : text
        } else {
            operationName = nil
        }
        if let given = fields[2], !given.isNull {
            guard given.kind == .object else { throw GraphQLError("\"variables\" must be an object") }
            do throws(JSONError) { _ = try given.uniqueMembers() } catch { throw GraphQLError(error.description) }
            variables = given
        } else {
            variables = nil
        }
    }
}

/// A request that was read, checked, and found to be within the limits: what is left is to carry it out.
struct GraphQLPlan: Sendable {
    let operation: GraphQLDocument.Operation
    let collection: GraphQLFieldCollection
    let limits: GraphQLLimits
    /// What tells it from plans with other results: the document, the operation's name and the variables.
    let key: [UInt8]

    /// Why a request is no plan: everything that is wrong with it.
    struct Rejection: Error {
        let errors: [GraphQLError]
    }

    init(_ request: GraphQLRequest, limits: GraphQLLimits) throws(Rejection) {
        let schema = RoostSchema.schema
        let document: GraphQLDocument
        do throws(GraphQLError) {
            document = try GraphQLParser.parse(request.query, limits: limits)
        } catch {
            throw Rejection(errors: [error])
        }
        let errors = GraphQLValidator.errors(in: document, schema: schema, limits: limits)
        guard errors.isEmpty else { throw Rejection(errors: errors) }
        do throws(GraphQLError) {
            operation = try Self.operation(of: document, request.operationName)
            let variables = try GraphQLCoercion(schema: schema).variables(
                operation.variables, given: request.variables)
            collection = GraphQLFieldCollection(document: document, variables: variables)
            try GraphQLComplexity.check(operation, collection, limits)
        } catch {
            throw Rejection(errors: [error])
        }
        self.limits = limits
        key = Array("graphql\0\(request.operationName ?? "")\0\(request.query)\0".utf8)
            + (request.variables.map { Array($0.bytes) } ?? [])
    }

    private static func operation(
        of document: GraphQLDocument, _ name: String?
    ) throws(GraphQLError) -> GraphQLDocument.Operation {
        guard let name else {
            guard document.operations.count == 1 else {
                throw GraphQLError(
                    document.operations.isEmpty
                        ? "The document has no operation."
                        : "Must provide operation name if query contains multiple operations.",
                    code: "GRAPHQL_VALIDATION_FAILED")
            }
            return document.operations[0]
        }
        guard let operation = document.operations.first(where: { $0.name == name }) else {
            throw GraphQLError(
                "Unknown operation named \"\(name.prefix(64))\".", code: "GRAPHQL_VALIDATION_FAILED")
        }
        return operation
    }
}
