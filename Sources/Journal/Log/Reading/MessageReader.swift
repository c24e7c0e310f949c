import Model

/// Reads messages from the places that a survey gave, on any thread.
package struct MessageReader {
    private let storage: any Storage
    private var window: [UInt8] = []
    private var windowStart = 0
    private var windowFile = ""

    /// How much is read from the disk at once.
    static let windowSize = 128 << 10

    package init(storage: any Storage) {
        self.storage = storage
    }

    /// Gives a message's bytes and where its parts stand in them; false where it is not at its place any more, because a
    /// segment was dropped or rewritten since the survey.
    package mutating func read(
        _ place: MessagePlace, in page: SurveyPage, _ body: (UnsafeRawBufferPointer, MessageSlices) -> Void
    ) -> Bool {
        let file = page.files[Int(place.file)]
        let (position, size) = (Int(place.position), Int(place.size))
        if windowFile != file || position < windowStart || position + size > windowStart + window.count {
            do throws(StorageError) {
                window = try storage.read(file, at: position, count: max(size, Self.windowSize))
            } catch {
                windowFile = ""
                return false
            }
            (windowStart, windowFile) = (position, file)
        }
        let start = position - windowStart
        guard start + size <= window.count else { return false }
        return window.withUnsafeBytes { bytes in
            let payload = start + SegmentFormat.frameHeaderSize
            guard SegmentWalk.frameSize(in: bytes, at: start, end: start + size) == size,
                bytes.integer(at: payload, as: UInt64.self) == place.sequence,
                let slices = MessageSlices(bytes, in: payload + SegmentFormat.sequenceSize..<start + size)
            else { return false }
            body(bytes, slices)
            return true
        }
    }
}
