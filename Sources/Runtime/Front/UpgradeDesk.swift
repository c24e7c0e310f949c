import Broker
import Dialects
import Model
import NIOCore
import WebSocket

/// Decides what becomes of a request that asks for a WebSocket: is there such a door, is there room, is the handshake
/// one, and may whoever asks come in.
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
        fileprivate let open: DialectTable.Opening
    }

    /// What a visit comes to.
    enum Decision {
        /// Who then speaks with the client; it writes the response too.
        case accept(connection: () -> WebSocketConnection)
        /// The response to write, and whether the connection is closed after it.
        case refuse(response: [UInt8], closing: Bool)
    }

    /// The visit that a request is; nil for all that is HTTP's, an upgrade for a path without a door included.
    func visit(_ head: RequestHead) -> Visit? {
        let query = String(head.target.drop { $0 != "?" }.dropFirst())
        guard head.asksForWebSocket, let path = head.decodedPath,
            let open = DialectTable.dialect(forPath: path, query: query, testDoors: loop.settings.testDoors)
        else { return nil }
        return Visit(head: head, open: open)
    }

    /// Decides on a visit now: what is cheap to see comes first, and tokens are looked at last.
    ///
    /// - Parameter keepsAlive: whether the connection goes on after a refusal, where the request and the reason let it.
    func decide(_ visit: Visit, keepsAlive: Bool) -> Decision {
        if loop.isDraining { return refuse(.draining, .connectionLimit, closing: true) }
        let closing = !keepsAlive || !visit.head.isPersistent
        let acceptance: Handshake.Acceptance
        switch Handshake.accept(visit.head, compresses: loop.settings.compresses) {
        case .failure(let refusal):
            // The body that it announces is not told from the next request by everyone in the same way.
            let closing = closing || refusal == .bodyUnexpected
            loop.counters.refused[.handshake] += 1
            return .refuse(response: refusal.response(closing: closing), closing: closing)
        case .success(let accepted): acceptance = accepted
        }
        let forwarded = visit.head.fields.all("X-Forwarded-For")
        if let (reason, delay) = shared.admission.admit(forwardedFor: forwarded, on: channel) {
            return refuse(reason, reason.refusal ?? .connectionLimit, closing: true, retryAfter: delay)
        }
        let credentials = Credentials(visit.head, cookieName: loop.settings.cookieName)
        switch loop.authentication.principal(for: credentials, at: loop.settings.clock().wall) {
        case .success(let principal): return accept(visit, acceptance, principal)
        case .failure(.authenticationRequired) where visit.open(shared.conversation).authenticatesByMessage:
            return accept(visit, acceptance, nil)
        case .failure(let refusal):
            var reason = UpgradeRefusalReason.authentication
            if case .originForbidden = refusal { reason = .origin }
            return refuse(reason, refusal, closing: closing)
        }
    }

    private func accept(_ visit: Visit, _ acceptance: Handshake.Acceptance, _ principal: Principal?) -> Decision {
        .accept { [loop, shared, isSecure] in
            WebSocketConnection(
                dialect: visit.open(shared.conversation), loop: loop, principal: principal,
                greeting: ByteBuffer(bytes: acceptance.response), deflate: acceptance.deflate, isSecure: isSecure)
        }
    }

    private func refuse(
        _ reason: UpgradeRefusalReason, _ refusal: Refusal, closing: Bool, retryAfter delay: Duration = UpgradeRefusal.pause
    ) -> Decision {
        loop.counters.refused[reason] += 1
        let response = UpgradeRefusal.response(to: refusal, closing: closing, retryAfter: delay)
        return .refuse(response: response, closing: closing)
    }
}
