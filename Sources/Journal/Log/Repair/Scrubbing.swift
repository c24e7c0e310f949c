import Model

/// How far the scrub of the log has come: segment by segment, from the oldest closed one to the newest.
struct Scrubbing: Sendable {
    /// The segment being checked; nil between two passes.
    var segment: UInt32?
    /// Where in it the next step begins.
    var position = 0
    var length = 0
}

/// What one step of the scrub came to.
package struct ScrubStep: Sendable, Equatable {
    /// How many bytes were checked.
    package var bytes = 0
    /// Whether every closed segment has been checked, and the next step begins with the first.
    package var isEndOfPass = false
}

extension Log {
    /// About how many bytes one step checks; a longer batch is checked as a whole.
    package static let scrubStep = 512 << 10

    /// Checks the checksums of the next part of the closed segments, read from the disk and not from memory.
    ///
    /// A segment in which something is wrong becomes a suspect, which ``examineSuspects()`` looks at.
    package mutating func scrub() throws(StorageError) -> ScrubStep {
        let closed = closedSegments
        if scrubbing.segment == nil || segments[scrubbing.segment!] == nil {
            let next = closed.first { $0 > scrubbing.segment ?? 0 }
            guard let next else { return endPass() }
            scrubbing = Scrubbing(segment: next, position: 0, length: Self.scrubStep)
        }
        let segment = segments[scrubbing.segment!]!
        var done = ScrubStep()
        if scrubbing.position == 0 {
            try checkHeader(of: segment)
            scrubbing.position = SegmentFormat.headerSize
        }
        if scrubbing.position < segment.size {
            let step = try SegmentStep(
                of: segment, at: scrubbing.position, length: scrubbing.length, in: storage, isAfresh: true)
            for each in step.found {
                if case .damage(let range) = each, !segment.isKnownDamaged(range) { suspect(segment.number) }
            }
            done.bytes = step.bytes.count
            (scrubbing.position, scrubbing.length) = (step.next, max(step.length, Self.scrubStep))
        }
        repairs.counters.bytesScrubbed += UInt64(done.bytes)
        if scrubbing.position >= segment.size {
            let next = closed.first { $0 > segment.number }
            guard let next else {
                done.isEndOfPass = endPass().isEndOfPass
                return done
            }
            scrubbing = Scrubbing(segment: next, position: 0, length: Self.scrubStep)
        }
        return done
    }

    private mutating func endPass() -> ScrubStep {
        scrubbing = Scrubbing()
        repairs.counters.passes += 1
        return ScrubStep(isEndOfPass: true)
    }

    private mutating func checkHeader(of segment: Segment) throws(StorageError) {
        let bytes: [UInt8]
        do {
            bytes = try storage.readAfresh(segment.name, at: 0, count: SegmentFormat.headerSize)
        } catch StorageError.missing {
            bytes = []
        }
        if case .valid = SegmentFormat.verdict(onHeader: bytes) { return }
        guard !segment.isKnownDamaged(0..<SegmentFormat.headerSize) else { return }
        segments[segment.number]!.holes.insert(0..<SegmentFormat.headerSize, at: 0)
        suspect(segment.number)
    }
}
