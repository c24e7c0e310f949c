import Broker
import Journal
import Model

/// The loops of one process, and its clients' connections.
package final class Front {
    private(set) var loops: [VirtualLoop] = []
    private var sessionCount = 0

    init(process: VirtualProcess) {
        loops = (0..<process.node.settings.loops).map { VirtualLoop(process: process, index: $0) }
    }

    func wake(_ loop: Int) { loops[loop].wake() }

    func stored(through sequence: UInt64) { for loop in loops { loop.stored(through: sequence) } }

    func replicated(through sequence: UInt64) { for loop in loops { loop.replicated(through: sequence) } }

    func interestConfirmed(loop: Int, id: UInt64) { loops[loop].interestConfirmed(id) }

    func presenceChanged(_ events: [PresenceEvent]) { for loop in loops { loop.presenceChanged(events) } }

    func begin() { for loop in loops { loop.begin() } }

    func peersChanged(_ peers: [Origin]) { for loop in loops { loop.peersChanged(peers) } }

    func take(_ errand: Errand, loop: Int) { loops[loop].take(errand) }

    func lost(_ errand: Errand, loop: Int) { loops[loop].lost(errand) }

    /// Accepts a client's connection on one of the loops.
    func accept(_ client: any VirtualPeer) -> VirtualConnection {
        sessionCount += 1
        return loops[sessionCount % loops.count].open(client, session: "session-\(sessionCount)")
    }

    func end() { for loop in loops { loop.end() } }
}

/// What stands at the other end of a connection.
protocol VirtualPeer: AnyObject {
    /// A text frame came.
    func received(_ text: [UInt8], on connection: VirtualConnection)
    /// The connection is gone.
    func disconnected(from connection: VirtualConnection)
}
