import Broker
import Dialects
import Model
import NIOCore
import WebSocket

/// Decides what becomes of a request that asks for a WebSocket or a stream: is there such a door, is there room, is the
/// handshake one, and may whoever asks come in.
///
/// It counts what it refuses; who asks writes the answer. Confined to its loop.
struct UpgradeDesk {
    let loop: FrontLoop
    let shared: FrontShared
    /// The connection on which it is asked.
    let channel: any Channel
    /// Whether the channel encrypts.
    let isSecure: Bool

    /// A request for a door that is there.
    struct Visit {
        fileprivate let head: RequestHead
        fileprivate let door: Door

        fileprivate enum Door {
            case webSocket(WebSocketDoor)
            case stream(DialectTable.StreamOpening)
        }
    }

    /// What a visit comes to.
    enum Decision {
        /// Who then speaks with the client; it writes the response too.
        case accept(connection: () -> ClientConnection)
        /// The response to write, and whether the connection is closed after it.
        case refuse(response: [UInt8], closing: Bool)
    }

    /// The visit that a request is; nil for all that is HTTP's, an upgrade for a path without a door included.
    func visit(_ head: RequestHead) -> Visit? {
        guard let path = head.decodedPath else { return nil }
        guard head.asksForWebSocket else {
            guard head.method == "GET", let open = DialectTable.stream(forPath: path) else { return nil }
            return Visit(head: head, door: .stream(open))
        }
        let query = String(head.target.drop { $0 != "?" }.dropFirst())
        guard let door = DialectTable.door(atPath: path, query: query, testDoors: loop.settings.testDoors) else {
            return nil
        }
        return Visit(head: head, door: .webSocket(door))
    }

    /// Decides on a visit now: what is cheap to see comes first, and tokens are looked at last.
    ///
    /// - Parameter keepsAlive: whether the connection goes on after a refusal, where the request and the reason let it.
    func decide(_ visit: Visit, keepsAlive: Bool) -> Decision {
        let closing = !keepsAlive || !visit.head.isPersistent
        switch visit.door {
        case .webSocket(let door): return decide(visit.head, door, closing: closing)
        case .stream(let open): return decide(visit.head, open, closing: closing)
        }
    }

    private func decide(_ head: RequestHead, _ door: WebSocketDoor, closing: Bool) -> Decision {
        if loop.isDraining { return refuse(.draining, .draining, closing: true) }
        let acceptance: Handshake.Acceptance
        switch Handshake.accept(head, subprotocols: door.subprotocols, compresses: loop.settings.compresses) {
        case .failure(let refusal):
            // The body that it announces is not told from the next request by everyone in the same way.
            let closing = closing || refusal == .bodyUnexpected
            loop.counters.refused[.handshake] += 1
            return .refuse(response: refusal.response(closing: closing), closing: closing)
        case .success(let accepted): acceptance = accepted
        }
        if let refusal = admission(of: head) { return refusal }
        var context = shared.conversation
        context.subprotocol = acceptance.subprotocol
        let dialect = door.open(context)
        switch principal(head) {
        case .success(let principal): return accept(dialect, acceptance, principal)
        case .failure(.authenticationRequired) where dialect.authenticatesByMessage:
            return accept(dialect, acceptance, nil)
        case .failure(let refusal):
            var reason = UpgradeRefusalReason.authentication
            if case .originForbidden = refusal { reason = .origin }
            guard dialect.explainsRefusals, reason == .authentication else {
                return refuse(reason, refusal, closing: closing)
            }
            loop.counters.refused[reason] += 1
            return accept(dialect, acceptance, nil, telling: refusal)
        }
    }

    private func decide(_ head: RequestHead, _ open: DialectTable.StreamOpening, closing: Bool) -> Decision {
        let fields = crossOriginFields(head)
        if loop.isDraining { return refuse(.draining, .draining, closing: true, fields: fields) }
        if head.announcesBody {
            let refusal = Refusal.invalidMessage("a request for events has no body")
            return refuse(.request, refusal, closing: true, fields: fields)
        }
        if let refusal = admission(of: head, fields: fields) { return refusal }
        let principal: Principal
        switch self.principal(head) {
        case .success(let found): principal = found
        case .failure(let refusal):
            var reason = UpgradeRefusalReason.authentication
            if case .originForbidden = refusal { reason = .origin }
            return refuse(reason, refusal, closing: closing, fields: fields)
        }
        let request = StreamRequest(
            query: { head.queryItem($0) }, lastEventID: head.fields["Last-Event-ID"],
            time: loop.settings.clock().wall, retryAfter: .milliseconds(Int64.random(in: 500...1_500)))
        switch open(shared.conversation, request) {
        case .failure(let refusal): return refuse(.request, refusal, closing: closing, fields: fields)
        case .success(let stream):
            return .accept { [loop, isSecure] in
                StreamConnection(
                    stream: stream, loop: loop, fields: fields,
                    opening: ClientOpening(principal: principal, isSecure: isSecure))
            }
        }
    }

    private func principal(_ head: RequestHead) -> Result<Principal, Refusal> {
        let credentials = Credentials(head, cookieName: loop.settings.cookieName)
        return loop.authentication.principal(for: credentials, at: loop.settings.clock().wall)
    }

    private func admission(of head: RequestHead, fields: [String] = []) -> Decision? {
        let forwarded = head.fields.all("X-Forwarded-For")
        guard let (reason, delay) = shared.admission.admit(forwardedFor: forwarded, on: channel) else { return nil }
        return refuse(
            reason, reason.refusal ?? .connectionLimit, closing: true, retryAfter: delay, fields: fields)
    }

    /// What lets a page of an allowed origin read the response (Fetch §3.3.3); with its cookie where the origin is named in
    /// the configuration, and not by `*` alone.
    private func crossOriginFields(_ head: RequestHead) -> [String] {
        guard let origin = head.fields["Origin"] else { return [] }
        guard loop.authentication.allows(origin: origin, host: head.fields["Host"]) else { return ["Vary: Origin"] }
        let fields = ["Vary: Origin", "Access-Control-Allow-Origin: \(origin)"]
        return loop.authentication.origins.contains(origin)
            ? fields + ["Access-Control-Allow-Credentials: true"] : fields
    }

    private func accept(
        _ dialect: any Dialect, _ acceptance: Handshake.Acceptance, _ principal: Principal?,
        telling refusal: Refusal? = nil
    ) -> Decision {
        .accept { [loop, isSecure] in
            loop.counters.upgraded += 1
            return WebSocketConnection(
                dialect: dialect, loop: loop, deflate: acceptance.deflate,
                opening: ClientOpening(
                    principal: principal, greeting: ByteBuffer(bytes: acceptance.response), refusal: refusal,
                    isSecure: isSecure))
        }
    }

    private func refuse(
        _ reason: UpgradeRefusalReason, _ refusal: Refusal, closing: Bool,
        retryAfter delay: Duration = UpgradeRefusal.pause,
        fields: [String] = []
    ) -> Decision {
        loop.counters.refused[reason] += 1
        let response = UpgradeRefusal.response(to: refusal, closing: closing, retryAfter: delay, fields: fields)
        return .refuse(response: response, closing: closing)
    }
}
