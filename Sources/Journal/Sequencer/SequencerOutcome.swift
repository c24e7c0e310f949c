import Model

/// Why the sequencer does not sequence something.
package enum SequencerRefusal: Error, Equatable, Sendable {
    case topicUnknown
    case topicExists
    /// Messages of a table are rows, and rows are not built yet.
    case notAStream
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
