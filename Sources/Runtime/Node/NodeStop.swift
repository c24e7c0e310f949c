import Logging
import Model
import NIOCore
import NIOPosix

/// The end of a node's life, step by step.
struct NodeStop {
    let front: Front
    let engine: Engine
    let listeners: [FrontListener]
    let group: MultiThreadedEventLoopGroup
    let logger: Logger

    /// How long answers that HTTP clients wait for may take: longer than any does, `stored` and `replicated` included.
    private static let answerLimit: Duration = .seconds(6)

    /// Moves the clients away where that is still of use, answers what is open, empties the lanes and closes everything.
    func run(_ outcome: Node.Outcome, window: Duration) async {
        logger.notice("stopping", metadata: outcome.reason.map { ["reason": "\($0)"] } ?? [:])
        engine.announceStop()
        switch outcome {
        case .stopped, .removed: await Self.drain(front, engine, window: window)
        case .failed, .left: break
        }
        for listener in listeners { await listener.close() }
        if outcome.reason == nil {
            await Self.wait(atMost: Self.answerLimit) { [front] in front.gate.requests == 0 }
        }
        await engine.stop(patience: outcome.reason == nil ? Node.patience : .zero)
        await front.stop()
        do { try await group.shutdownGracefully() } catch {
            logger.warning("the front's loops did not stop in an orderly way", metadata: ["error": "\(error)"])
        }
    }

    /// Sends every client to another node over the window, and waits until they have gone.
    static func drain(_ front: Front, _ engine: Engine, window: Duration) async {
        let status = await engine.clusterStatus()
        let others = status.members.filter { $0.id != engine.identity.id && $0.state == "alive" }
        let nodes = others.compactMap { $0.listen.map { "\($0)" } }
        // With nowhere to go to, clients are told at once.
        await front.drain(within: nodes.isEmpty ? .zero : window, nodes: nodes)
        // Those that do not answer the close are not waited for.
        let grace: Duration = nodes.isEmpty ? .seconds(1) : window + ClientConnection.moveLimit
        await wait(atMost: grace) { [front] in await front.clientCount() == 0 }
    }

    private static func wait(atMost patience: Duration, _ holds: @Sendable () async -> Bool) async {
        let clock = ContinuousClock()
        let deadline = clock.now + patience
        while await !holds(), clock.now < deadline {
            do { try await Task.sleep(for: .milliseconds(20)) } catch { return }
        }
    }
}

extension Node.Outcome {
    /// Why the node cannot go on; nil where it was asked to stop.
    var reason: String? {
        if case .failed(let reason) = self { reason } else { nil }
    }
}
