import Model

extension Log {
    /// Writes down what dropped segments would no longer say, syncs it, and removes the checkpoint before.
    ///
    /// It syncs the log first: what a checkpoint says was appended is never cut off again.
    package mutating func writeCheckpoint() throws(StorageError) {
        try syncNow()
        var checkpoint = Checkpoint()
        checkpoint.registry = registry
        checkpoint.vector = vector
        checkpoint.forgotten = forgotten
        checkpoint.lastTimes = lastTimes
        checkpoint.lastSequence = appendedThrough
        checkpoint.durable = durable
        for key in topics.keys.sorted(by: { ($0.name, $0.generation) < ($1.name, $1.generation) }) {
            guard let topic = topics[key], topic.ring == nil else { continue }
            for partition in topic.partitions {
                checkpoint.heads.append(
                    Checkpoint.Head(
                        topic: key.name, partition: partition.partition, offset: partition.head,
                        droppedThrough: partition.droppedThrough, time: partition.lastTime))
            }
        }
        let name = Checkpoint.name(of: appendedThrough)
        try SealedFile.replace(name, with: checkpoint.encode(), in: storage)
        lastCheckpoint = name
        checkpointed = appendedThrough
        for other in try storage.list() where Checkpoint.isName(other) && other != name { try storage.remove(other) }
    }
}
