import Model

/// Why the sequencer does not sequence something.
package enum SequencerRefusal: Error, Equatable, Sendable {
    case topicUnknown
    case topicExists
    /// Messages of a table are rows, and this one was drafted for a stream.
    case notAStream
    /// The table's mask, or the row's readers, do not let the publisher do this to the row.
    case rowForbidden(RowEvent)
    /// There is no such row to end.
    case rowUnknown
    /// The node holds as many rows as it may.
    case rowLimit(Int)
}

/// What became of a peer's record.
package enum Admission: Equatable, Sendable {
    /// It is sequenced here now.
    case taken
    /// It was here before, or is dead.
    case known
    /// Records before it are missing; it must come again after them.
    case early
}
