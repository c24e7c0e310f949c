import Broker
import Hummingbird
import HummingbirdCore
import JSON
import Model
import NIOCore

/// REST: reads a request into a command, lets the shard of its connection's loop decide, and writes the reply.
struct RESTDoor: Sendable {
    /// The room that a body has beyond the largest message.
    private static let bodyMargin = 65_536

    let fronts: [ObjectIdentifier: FrontPort]
    let settings: FrontSettings
    let authentication: InUse<Authentication>
    let services: any NodeServices
    let desk: LoginDesk
    let gate: FrontGate

    /// Adds the routes under `/api/v1`.
    func addRoutes(to router: Router<RoostContext>) {
        router.post("/api/v1/auth/login") { request, _ in await work { try await login(request) } }
        router.get("/api/v1/topics") { request, context in
            await work { try await listTopics(request, context) }
        }
        router.post("/api/v1/topics") { request, context in
            await work { try await createTopic(request, context) }
        }
        for method in [HTTPRequest.Method.get, .put, .post, .delete] {
            router.on("/api/v1/topics/**", method: method) { request, context in
                await work { try await topic(request, context) }
            }
        }
        router.get("/api/v1/tables/**") { request, context in await answer { try await table(request, context) } }
        router.get("/api/v1/schedules") { request, context in await answer { try await listSchedules(request, context) } }
        router.post("/api/v1/schedules") { request, context in
            await work { try await createSchedule(request, context) }
        }
        router.get("/api/v1/schedules/{id}") { request, context in
            await answer { try await schedule(request, context) }
        }
        router.delete("/api/v1/schedules/{id}") { request, context in
            await work { try await removeSchedule(request, context) }
        }
        router.post("/api/v1/query") { request, context in await answer { try await query(request, context) } }
        BackupDoor(services: services) { principal($0) }.addRoutes(to: router)
        router.get("/api/v1/cluster") { request, _ in await answer { try await cluster(request) } }
        router.post("/api/v1/cluster/leave") { request, context in
            await work { try await leave(request, context) }
        }
        router.delete("/api/v1/cluster/members/{member}") { request, context in
            await work { try await forget(request, context) }
        }
    }

    /// Answers what a client asks, unless the node is about to stop.
    private func work(_ body: () async throws -> Response) async -> Response {
        if gate.isClosed { return .refusal(.draining) }
        return await answer(body)
    }

    /// Writes a refusal where one is thrown.
    private func answer(_ body: () async throws -> Response) async -> Response {
        do {
            return try await body()
        } catch let refusal as Refusal {
            return .refusal(refusal)
        } catch let error as BodyTooLarge {
            return .json(
                .contentTooLarge,
                errorEnvelope(code: "INVALID_MESSAGE", message: "the body may have at most \(error.limit) bytes"))
        } catch {
            return .refusal(.internal("the request could not be read"))
        }
    }

    private func login(_ request: Request) async throws -> Response {
        let body = try RequestReading.object(try await read(request))
        guard let name = try RequestReading.string(body, "username"),
            let password = try RequestReading.string(body, "password")
        else { throw Refusal.invalidMessage("\"username\" and \"password\" are needed") }
        let (token, expiry) = try await desk.token(name: name, password: password, at: settings.clock().wall).get()
        return .success { writer in
            writer.beginObject()
            writer.key("token")
            writer.string(token)
            writer.key("expires_at")
            writer.string(text(of: expiry))
            writer.endObject()
        }
    }

    private func listTopics(_ request: Request, _ context: RoostContext) async throws -> Response {
        let command = try RequestReading.listTopics(query: request.query)
        guard case .topics(let topics, let more) = try await perform(command, request, context) else {
            throw unexpected
        }
        return .success { writer in
            writer.beginObject()
            writer.key("topics")
            writer.beginArray()
            for topic in topics { writer.topic(topic) }
            writer.endArray()
            writer.key("more")
            writer.bool(more)
            writer.endObject()
        }
    }

    private func createTopic(_ request: Request, _ context: RoostContext) async throws -> Response {
        let command = try RequestReading.createTopic(try RequestReading.object(try await read(request)))
        guard case .topicCreated(let topic) = try await perform(command, request, context) else { throw unexpected }
        return .success(.created) { $0.topic(topic) }
    }

    /// Everything below one topic: `/{topic}` and `/{topic}/messages`; a topic's slashes may be `%2F` or stand as they
    /// are.
    private func topic(_ request: Request, _ context: RoostContext) async throws -> Response {
        let path = request.uri.path.dropFirst("/api/v1/topics/".count)
        let hasMessages = path.hasSuffix("/messages")
        let encoded = hasMessages ? path.dropLast("/messages".count) : path
        guard let text = encoded.removingPercentEncoding else {
            throw Refusal.invalidMessage("the topic's name is not percent-encoded UTF-8")
        }
        let name = try RequestReading.topicName(text)
        switch (request.method, hasMessages) {
        case (.get, false): return try await success(.describeTopic(name), request, context)
        case (.delete, false): return try await success(.destroyTopic(name), request, context)
        case (.put, false):
            let body = try RequestReading.object(try await read(request))
            return try await success(try RequestReading.changeTopic(name, body), request, context)
        case (.post, true):
            let body = try RequestReading.object(try await read(request))
            return try await success(try RequestReading.publish(name, body), request, context)
        case (.get, true):
            return try await success(try RequestReading.history(name, query: request.query), request, context)
        default:
            return .json(
                .methodNotAllowed,
                errorEnvelope(code: "NOT_SUPPORTED", message: "\(request.method) is not possible here"),
                [.allow: hasMessages ? "GET, POST" : "GET, PUT, DELETE"])
        }
    }

    /// The rows of a table, or one of them: `/{table}` and `/{table}/{key}`, in both of which a slash is written `%2F`.
    private func table(_ request: Request, _ context: RoostContext) async throws -> Response {
        let parts = request.uri.path.dropFirst("/api/v1/tables/".count).split(separator: "/", omittingEmptySubsequences: false)
        let texts = parts.compactMap { String($0).removingPercentEncoding }
        guard texts.count == parts.count, (1...2).contains(texts.count) else {
            throw Refusal.invalidMessage(
                "give a table, or a table and a row's key, percent-encoded: a slash in either of them is %2F")
        }
        let name = try RequestReading.topicName(texts[0])
        if texts.count == 2 { return try await success(.row(name, key: texts[1]), request, context) }
        let command = try RequestReading.rows(name, query: request.query)
        guard case .history(_, let page) = try await perform(command, request, context) else { throw unexpected }
        return .success { $0.rows(page) }
    }

    private func success(_ command: Command, _ request: Request, _ context: RoostContext) async throws -> Response {
        switch try await perform(command, request, context) {
        case .topic(let description): .success { $0.topic(description) }
        case .topicChanged(let topic): .success { $0.topic(topic) }
        case .topicDestroyed(let name):
            .success { writer in
                writer.beginObject()
                writer.key("name")
                writer.string(name.text)
                writer.key("destroyed")
                writer.bool(true)
                writer.endObject()
            }
        case .published(_, let receipt, let level): .success(.created) { $0.receipt(receipt, level) }
        case .history(_, let page): .success { $0.history(page) }
        case .row(_, let item): .success { $0.row(item) }
        case .subscribed, .unsubscribed, .topicCreated, .topics, .permission, .rows, .queriesCancelled, .presence,
            .presenceSet, .typingNoted, .requested, .acknowledged, .authenticated, .cluster, .figures, .followingFigures, .pong,
            .refused:
            throw unexpected
        }
    }

    private func query(_ request: Request, _ context: RoostContext) async throws -> Response {
        let principal = try principal(request).get()
        let query = try QueryDoor.query(try RequestReading.object(try await read(request)))
        return try await QueryDoor(query: query, principal: principal, front: front(of: context)).respond(context)
    }

    /// The cluster is no secret among its users, and tells nothing to others.
    private func cluster(_ request: Request) async throws -> Response {
        _ = try principal(request).get()
        let status = await services.clusterStatus()
        var writer = JSONWriter(reservingCapacity: 4_096)
        writer.cluster(status)
        return .json(.ok, writer.bytes)
    }

    /// Has this node hand over and leave the cluster for good.
    private func leave(_ request: Request, _ context: RoostContext) async throws -> Response {
        let operatorName = try await operatorName(request, context)
        let left = try await services.leave(user: operatorName).get()
        return .success { $0.removal(left) }
    }

    /// Removes a member that is dead or away, for good.
    private func forget(_ request: Request, _ context: RoostContext) async throws -> Response {
        let operatorName = try await operatorName(request, context)
        let path = request.uri.path.dropFirst("/api/v1/cluster/members/".count)
        guard let member = String(path).removingPercentEncoding, !member.isEmpty else {
            throw Refusal.invalidMessage("the member's name is not percent-encoded UTF-8")
        }
        let force = request.query("force")
        guard force == nil || force == "true" || force == "false" else {
            throw Refusal.invalidMessage("\"force\" is true or false")
        }
        let removed = try await services.forget(member, isForced: force == "true", user: operatorName).get()
        return .success { $0.removal(removed) }
    }

    /// The user who asks, when they may manage the cluster: the name of its system topic stands for it.
    private func operatorName(_ request: Request, _ context: RoostContext) async throws -> String {
        let principal = try principal(request).get()
        if let refusal = await front(of: context).refusal(of: .manage, on: try RequestReading.topicName("$cluster"), to: principal) {
            throw refusal
        }
        return principal.user
    }

    private func perform(_ command: Command, _ request: Request, _ context: RoostContext) async throws -> Reply {
        let principal = try principal(request).get()
        let reply = await front(of: context).perform(command, as: principal)
        if case .refused(let refusal) = reply { throw refusal }
        return reply
    }

    /// Carries out commands in their order; one reply for each, refusals among them.
    func perform(_ commands: [Command], as principal: Principal, _ context: RoostContext) async -> [Reply] {
        let replies = await front(of: context).perform(commands, as: principal)
        let missing = max(0, commands.count - replies.count)
        return replies + Array(repeating: .refused(.internal("the node is stopping")), count: missing)
    }

    func front(of context: RoostContext) -> FrontPort {
        guard let front = fronts[ObjectIdentifier(context.channel.eventLoop)] else {
            preconditionFailure("HTTP is served on the loops that were started")
        }
        return front
    }

    func principal(_ request: Request) -> Result<Principal, Refusal> {
        let headers = request.headers
        let credentials = Credentials(
            token: bearerToken(headers[.authorization]) ?? request.query("token"),
            cookie: cookieValue(named: settings.cookieName, in: headers[values: .cookie]), origin: headers[.origin],
            host: request.head.authority)
        return authentication.value.principal(for: credentials, at: settings.clock().wall)
    }

    func read(_ request: Request) async throws -> [UInt8] {
        let limit = settings.messageLimit + Self.bodyMargin
        var bytes: [UInt8] = []
        for try await part in request.body {
            guard bytes.count + part.readableBytes <= limit else { throw BodyTooLarge(limit: limit) }
            bytes.append(contentsOf: part.readableBytesView)
        }
        return bytes
    }

    struct BodyTooLarge: Error {
        let limit: Int
    }

    private var unexpected: Refusal { .internal("the broker gave an answer to another question") }
}

extension Request {
    /// The value of a query item, `%` sequences resolved.
    func query(_ name: String) -> String? { uri.queryParameters[Substring(name)].map(String.init) }
}
