import Broker

/// What an engine tells whoever runs the node.
package enum EngineEvent: Sendable {
    /// The node can go on no longer; a sentence that says why.
    case failed(String)
    /// An operator removed the node from the cluster: it is to stop, and begins anew as another node.
    case removed
    /// An operator wants the node to hand over and leave the cluster; to be answered with what came of it.
    case asksToLeave(user: String, @Sendable (Result<RemovedMember, Refusal>) -> Void)
}
