import Dialects
import Model
import NIOCore
import WebSocket

/// Decides what becomes of a request that asks for a WebSocket: is there such a door, is there room, is the handshake
/// one, and may whoever asks come in.
///
/// It acts on nothing: who asks writes the answer. Confined to its loop.
struct UpgradeDesk {
    let loop: FrontLoop
    let shared: FrontShared
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
        /// The response to write, after which the connection is closed.
        case refuse(response: [UInt8])
    }

    /// The visit that a request is; nil for all that is HTTP's, an upgrade for a path without a door included.
    func visit(_ head: RequestHead) -> Visit? {
        let query = String(head.target.drop { $0 != "?" }.dropFirst())
        guard head.asksForWebSocket, let path = head.decodedPath,
            let open = DialectTable.dialect(forPath: path, query: query, testDoors: loop.settings.testDoors)
        else { return nil }
        return Visit(head: head, open: open)
    }

    /// Decides on a visit now.
    func decide(_ visit: Visit) -> Decision {
        guard !loop.isDraining, shared.count.value <= loop.settings.connectionLimit else {
            return .refuse(response: UpgradeRefusal.connectionLimit)
        }
        let acceptance: Handshake.Acceptance
        switch Handshake.accept(visit.head) {
        case .failure(let refusal): return .refuse(response: refusal.response)
        case .success(let accepted): acceptance = accepted
        }
        let credentials = Credentials(visit.head, cookieName: loop.settings.cookieName)
        switch loop.authentication.principal(for: credentials, at: loop.settings.clock().wall) {
        case .failure(let refusal): return .refuse(response: UpgradeRefusal.response(to: refusal))
        case .success(let principal):
            return .accept { [loop, shared, isSecure] in
                WebSocketConnection(
                    dialect: visit.open(shared.conversation), loop: loop, principal: principal,
                    greeting: ByteBuffer(bytes: acceptance.response), isSecure: isSecure)
            }
        }
    }
}
