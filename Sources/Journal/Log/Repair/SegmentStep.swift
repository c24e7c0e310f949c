import Model

/// One window of a segment, with what stands in it and where the next begins.
struct SegmentStep {
    /// The window's bytes; ranges of records in ``found`` are in these.
    let bytes: [UInt8]
    /// What stands there, in the order of the file. Damage is damage of the file, never of the window's edge.
    private(set) var found: [SegmentWalk.Found] = []
    /// Where the next window begins, and how long it must be; at the segment's size there is none.
    private(set) var next: Int
    private(set) var length = RecordReader.windowSize

    /// Reads the window of a segment at a place where a batch begins, or damage.
    ///
    /// - Parameter isAfresh: read what the disk holds, and not what the system remembers of it.
    init(
        of segment: Segment, at position: Int, length wanted: Int, in storage: any Storage, isAfresh: Bool = false
    ) throws(StorageError) {
        let count = min(wanted, segment.size - position)
        do {
            bytes =
                isAfresh
                ? try storage.readAfresh(segment.name, at: position, count: count)
                : try storage.read(segment.name, at: position, count: count)
        } catch StorageError.missing {
            bytes = []
        }
        var walk = SegmentWalk(base: position)
        let end = position + bytes.count
        next = end
        bytes.withUnsafeBytes { window in
            while let each = walk.next(in: window) {
                if case .damage(let range) = each, range.upperBound == end, end < segment.size, bytes.count == count {
                    // A header that the window cuts looks like damage: it is read again from there.
                    next = max(range.lowerBound, end - SegmentFormat.batchHeaderSize + 1)
                    if next > range.lowerBound { found.append(.damage(range.lowerBound..<next)) }
                } else {
                    found.append(each)
                }
            }
        }
        if let unfinished = walk.unfinished {
            let isCut = unfinished.position + unfinished.length > segment.size || bytes.count < count
            if !isCut {
                next = unfinished.position
                length = max(RecordReader.windowSize, unfinished.length)
                return
            }
            found.append(.damage(unfinished.position..<segment.size))
            next = segment.size
        } else if bytes.count < count {
            found.append(.damage(end..<segment.size))
            next = segment.size
        }
    }
}
