import Broker
import Dialects
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Model

/// `POST /graphql`: queries and mutations. Subscriptions are spoken at `/graphql/ws`.
struct GraphQLDoor: Sendable {
    let rest: RESTDoor

    func addRoutes(to router: Router<RoostContext>) {
        router.post("/graphql") { request, context in await answer(request, context) }
    }

    /// GraphQL over HTTP §6.4: what is no request is 400 for clients that name the newer media type, and 200 for those
    /// that do not, who look at `errors` only.
    private func answer(_ request: Request, _ context: RoostContext) async -> Response {
        let isNewer = request.headers[values: .accept].contains { $0.contains("application/graphql-response+json") }
        let type = isNewer ? "application/graphql-response+json; charset=utf-8" : "application/json; charset=utf-8"
        do {
            guard request.headers[.contentType]?.hasPrefix("application/json") == true else {
                let refusal = Refusal.invalidMessage("the body must be JSON, and Content-Type application/json")
                return .content(.unsupportedMediaType, GraphQLCall.Rejected(refusal).response, type: type)
            }
            let principal = try rest.principal(request).get()
            var call = try GraphQLCall(body: try await rest.read(request), limits: rest.settings.graphQL)
            while true {
                switch call.advance() {
                case .done(let response): return .content(.ok, response, type: type)
                case .needs(let commands): call.answer(await rest.perform(commands, as: principal, context))
                }
            }
        } catch let rejected as GraphQLCall.Rejected {
            return .content(isNewer ? .badRequest : .ok, rejected.response, type: type)
        } catch let refusal as Refusal {
            return Self.refusal(refusal, type: type)
        } catch let error as RESTDoor.BodyTooLarge {
            let refusal = Refusal.invalidMessage("the body may have at most \(error.limit) bytes")
            return .content(.contentTooLarge, GraphQLCall.Rejected(refusal).response, type: type)
        } catch {
            let refusal = Refusal.internal("the request could not be read")
            return .content(.internalServerError, GraphQLCall.Rejected(refusal).response, type: type)
        }
    }

    /// A refusal with its status, as GraphQL tells errors.
    static func refusal(_ refusal: Refusal, type: String = "application/json; charset=utf-8") -> Response {
        let status = refusal.status
        return .content(
            HTTPResponse.Status(code: status.code, reasonPhrase: status.phrase), GraphQLCall.Rejected(refusal).response,
            type: type, status.code == 401 ? [.wwwAuthenticate: "Bearer"] : [:])
    }
}
