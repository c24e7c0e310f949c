import Model

/// What publishers were promised.
package struct Book {
    /// A message that a ledger took, with what its process came to promise of it.
    private struct Entry {
        let topic: TopicName
        let payload: String
        let process: VirtualProcess
        let sequence: UInt64
    }

    /// A message that a client was told to be safe.
    package struct Promise {
        package let topic: TopicName
        package let payload: String
        /// The node that said so.
        package let node: Int
        /// Whether it was said to be on a majority of the replicas' disks, and not on the node's own alone.
        package let isReplicated: Bool
    }

    private var entries: [Entry] = []
    private var told: [Promise] = []
    /// Topics whose messages the checks leave out, because they were destroyed or are not kept.
    package var ignored: Set<TopicName> = []
    /// Nodes whose disks were lost for good.
    package var lostDisks: Set<Int> = []

    package init() {}

    /// Notes a message that a node has sequenced: what its process promises later is looked up when asked.
    mutating func sequenced(_ topic: TopicName, _ payload: String, by process: VirtualProcess, at sequence: UInt64) {
        entries.append(Entry(topic: topic, payload: payload, process: process, sequence: sequence))
    }

    /// Notes what a client was told.
    package mutating func told(_ promise: Promise) { told.append(promise) }

    /// Every promise that must have been kept, whatever happened.
    package var promises: [Promise] {
        let kept = entries.compactMap { entry -> Promise? in
            let isReplicated = entry.process.replicatedThrough >= entry.sequence
            guard isReplicated || entry.process.storedThrough >= entry.sequence else { return nil }
            return Promise(
                topic: entry.topic, payload: entry.payload, node: entry.process.node.index, isReplicated: isReplicated)
        }
        return (kept + told).filter { promise in
            !ignored.contains(promise.topic) && (promise.isReplicated || !lostDisks.contains(promise.node))
        }
    }

    /// How many messages are promised.
    package var count: Int { promises.count }
}
