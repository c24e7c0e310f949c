import Model

/// What reading every byte of a log's files came to; nothing is changed.
package struct LogCheck: Sendable, Equatable {
    package private(set) var segments = 0
    package private(set) var records = 0
    package private(set) var bytes = 0
    /// What is damaged or missing, file by file.
    package private(set) var damage: [LogHole] = []

    /// Checks every checksum of every segment and checkpoint in a directory that no process writes to.
    package init(_ storage: any Storage) throws(StorageError) {
        let names = try storage.list()
        for name in names where Checkpoint.isName(name) {
            let bytes = try storage.read(name, at: 0, count: try storage.size(of: name))
            do { _ = try Checkpoint.decode(bytes) } catch {
                damage.append(LogHole(file: name, from: 0, to: bytes.count))
            }
        }
        for sequence in names.compactMap({ SegmentFormat.firstSequence(in: $0) }).sorted() {
            try check(sequence, in: storage)
        }
    }

    private mutating func check(_ firstSequence: UInt64, in storage: any Storage) throws(StorageError) {
        let name = SegmentFormat.name(of: firstSequence)
        var length = try storage.size(of: name)
        segments += 1
        switch SegmentFormat.verdict(onHeader: try storage.read(name, at: 0, count: SegmentFormat.headerSize)) {
        case .valid(let place) where place.segment == .max: length = max(length, place.length)
        case .valid: break
        case .damaged, .unknownVersion: damage.append(LogHole(file: name, from: 0, to: SegmentFormat.headerSize))
        }
        let segment = Segment(number: 1, firstSequence: firstSequence, size: length)
        var (position, window) = (SegmentFormat.headerSize, RecordReader.windowSize)
        while position < length {
            let step = try SegmentStep(of: segment, at: position, length: window, in: storage)
            for each in step.found {
                switch each {
                case .batch: break
                case .frame: records += 1
                case .damage(let range):
                    damage.append(LogHole(file: name, from: range.lowerBound, to: range.upperBound))
                }
            }
            bytes += step.bytes.count
            (position, window) = (step.next, step.length)
        }
    }
}
