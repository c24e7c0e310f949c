/// A run of positions of one journal that no holder has any more: expired, compacted or lost.
package struct AbsentRun: Equatable, Sendable {
    package let origin: Origin
    package let slot: Slot
    /// The first and the last position of the run.
    package let from: UInt64
    package let to: UInt64

    package init(origin: Origin, slot: Slot, from: UInt64, to: UInt64) {
        self.origin = origin
        self.slot = slot
        self.from = from
        self.to = to
    }

    /// Whether a record stands at one of the positions.
    package func holds(_ record: Record) -> Bool {
        record.origin == origin && record.slot == slot && from <= record.position && record.position <= to
    }
}
