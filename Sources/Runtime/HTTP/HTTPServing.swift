import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import Model
import NIOCore

/// Builds the HTTP side of the front: the routes, and what every response carries.
struct HTTPServing: Sendable {
    let rest: RESTDoor
    let operations: OperationsDoor
    let pages: PagesDoor
    let settings: FrontSettings
    let authentication: InUse<Authentication>
    let gate: FrontGate
    let logger: Logger

    /// Hummingbird's HTTP/1 channel with our routes behind it.
    func takeover() -> HTTPTakeover {
        let router = Router(context: RoostContext.self)
        rest.addRoutes(to: router)
        GraphQLDoor(rest: rest).addRoutes(to: router)
        operations.addRoutes(to: router)
        pages.addRoutes(to: router)
        let responder = router.buildResponder()
        let configuration = HTTP1Channel.Configuration(
            additionalChannelHandlers: [
                ResponseEnds(), HTTPWatch(fronts: rest.fronts, idleTimeout: settings.idleTimeout.timeAmount),
            ],
            httpDecoderConfiguration: HTTP1Channel.Configuration.DecoderConfiguration(
                maxHeaderFieldSize: settings.headLimit, maxHeaderListSize: settings.headLimit,
                maxHeaderFieldCount: settings.headFieldLimit))
        let http = HTTP1Channel(
            responder: { request, writer, channel in
                gate.begin()
                defer { gate.end() }
                let source = ApplicationRequestContextSource(channel: channel, logger: logger)
                var response = await respond(request, RoostContext(source: source), responder)
                finish(&response, to: request, isSecure: (channel as? HTTPStream)?.isSecure == true)
                let isHead = request.method == .head
                try await writer.write(response: response.head, body: isHead ? ResponseBody() : response.body)
            }, configuration: configuration)
        return HTTPTakeover(http: http, logger: logger)
    }

    private func respond(
        _ request: Request, _ context: RoostContext, _ responder: some HTTPResponder<RoostContext>
    ) async -> Response {
        if request.method == .options { return Response(status: .noContent) }
        if let refusal = refusalOfExcess(request, context) { return refusal }
        do {
            // RFC 9110 §9.3.2: HEAD is GET without the body.
            var head = request.head
            if head.method == .head { head.method = .get }
            let asked = Request(head: head, body: request.body)
            let response = try await responder.respond(to: asked, context: context)
            guard response.status == .notFound, response.headers[.contentType] == nil else { return response }
            // The router's own answer has no body, and says the same of a path that has other methods.
            if let methods = HTTPPaths.methods(at: request.uri.path) {
                let message = "\(request.method) is not possible here, but \(methods)"
                return .json(
                    .methodNotAllowed, errorEnvelope(code: "NOT_SUPPORTED", message: message), [.allow: methods])
            }
            return .json(.notFound, errorEnvelope(code: "NOT_FOUND", message: "nothing is at this path"))
        } catch let error as HTTPError {
            let message = error.body ?? error.status.reasonPhrase
            return .json(error.status, errorEnvelope(code: "INVALID_MESSAGE", message: message))
        } catch {
            logger.error("request failed", metadata: ["error": "\(error)"])
            return .refusal(.internal("the request failed"))
        }
    }

    /// The answer to a request for which its connection has no budget left, in the shape of its door.
    private func refusalOfExcess(_ request: Request, _ context: RoostContext) -> Response? {
        guard let budget = (context.channel as? HTTPStream)?.budget, RequestBudget.counts(request),
            let delay = budget.charge(at: settings.clock().monotonic)
        else { return nil }
        rest.front(of: context).run { $0.counters.throttled += 1 }
        var response =
            request.uri.path == "/graphql" ? GraphQLDoor.refusal(.rateLimited) : Response.refusal(.rateLimited)
        response.headers[.retryAfter] = "\(max(1, (delay.milliseconds + 999) / 1_000))"
        return response
    }

    /// What every response has; and leave for pages of allowed origins to read it.
    private func finish(_ response: inout Response, to request: Request, isSecure: Bool) {
        response.headers[.date] = httpDate(settings.clock().wall)
        response.headers[.server] = "roost"
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[.referrerPolicy] = "no-referrer"
        response.headers[.xFrameOptions] = "DENY"
        if response.headers[.contentSecurityPolicy] == nil {
            response.headers[.contentSecurityPolicy] = "default-src 'none'; frame-ancestors 'none'"
        }
        // RFC 6797 §7.2: it means nothing where anybody could have written it.
        if isSecure { response.headers[.strictTransportSecurity] = "max-age=31536000" }
        guard let origin = request.headers[.origin] else { return }
        response.headers[.vary] = "Origin"
        guard authentication.value.allows(origin: origin, host: request.head.authority) else { return }
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.accessControlAllowMethods] = "GET, POST, PUT, DELETE"
        response.headers[.accessControlAllowHeaders] = "Authorization, Content-Type, Last-Event-ID"
        response.headers[.accessControlMaxAge] = "600"
    }
}

extension HTTPField.Name {
    /// Referrer Policy §4.1.
    fileprivate static var referrerPolicy: Self { name("Referrer-Policy") }
    /// RFC 7034.
    fileprivate static var xFrameOptions: Self { name("X-Frame-Options") }

    private static func name(_ text: String) -> Self {
        guard let name = Self(text) else { preconditionFailure("\(text) is a header's name") }
        return name
    }
}
