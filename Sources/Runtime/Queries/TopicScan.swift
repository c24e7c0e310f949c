import Broker
import Journal
import Model

/// Walks over a topic's messages in the order of (time, origin), page by page.
struct TopicScan {
    /// How many places the first page has, and the largest: a query that wants few rows reads few.
    private static let firstPage = 128
    private static let largestPage = 8_192

    private let table: TopicTable
    private let from: WallTime?
    private let until: WallTime?
    private var page: SurveyPage
    private var index = 0
    private var reader: MessageReader
    private var size = TopicScan.firstPage
    /// Where the page began.
    private var start: Cursor
    private var missed: UInt64 = 0

    init(_ table: TopicTable, from: WallTime? = nil, until: WallTime? = nil) throws(QueryStop) {
        self.table = table
        self.from = from
        self.until = until
        start = table.base
        reader = MessageReader(storage: table.source.storage)
        page = SurveyPage(cursor: table.base)
        try turn(from: table.base)
    }

    /// After the last message that was given, once the scan is at its end.
    var cursor: Cursor { page.cursor }

    /// The next message; nil at the end.
    mutating func next() throws(QueryStop) -> MessageRow? {
        while true {
            if index == page.places.count {
                if page.isAtEnd { return nil }
                try turn(from: page.cursor)
                if page.places.isEmpty, page.isAtEnd { return nil }
                continue
            }
            let place = page.places[index]
            switch row(at: place) {
            case .row(let row):
                index += 1
                try table.guardian.count(table.number, bytes: Int(place.payloadSize))
                return row
            case .hidden:
                index += 1
                continue
            case .gone: break
            }
            // Its segment was dropped or rewritten: the log knows where it is now, or that it is gone.
            if missed == place.sequence {
                index += 1
            } else {
                missed = place.sequence
                var seen = start
                for place in page.places[..<index] {
                    seen.advance(page.partitions[Int(place.partition)], to: place.offset)
                }
                try turn(from: seen)
            }
        }
    }

    private mutating func turn(from cursor: Cursor) throws(QueryStop) {
        start = cursor
        page = try table.survey(cursor, from: from, until: until, limit: size)
        index = 0
        size = min(size * 4, Self.largestPage)
    }

    /// What stands at a place.
    private enum Found {
        case row(MessageRow)
        /// The end of a table's row, or a row that the one who asks may not read.
        case hidden
        case gone
    }

    private mutating func row(at place: MessagePlace) -> Found {
        let partition = page.partitions[Int(place.partition)]
        guard page.records.isEmpty else {
            guard let message = page.records[index].message else { return .gone }
            return .row(
                MessageRow(
                    time: place.time, offset: place.offset, partition: partition, payload: message.payload,
                    key: message.key.map { Array($0.utf8) }, event: Array(message.event.utf8),
                    user: Array(message.publisher.utf8)))
        }
        var found = Found.gone
        let wantsEverything = table.wantsEverything
        let viewer = table.viewer
        let isThere = reader.read(place, in: page) { bytes, slices in
            guard Self.isShown(bytes, slices, to: viewer) else {
                found = .hidden
                return
            }
            found = .row(
                MessageRow(
                    time: place.time, offset: place.offset, partition: partition, payload: Array(bytes[slices.payload]),
                    key: slices.key.map { Array(bytes[$0]) }, event: wantsEverything ? Array(bytes[slices.event]) : [],
                    user: wantsEverything ? Array(bytes[slices.publisher]) : []))
        }
        return isThere ? found : .gone
    }

    /// Whether a message is one of a stream, or a row that has not ended and that the viewer may read.
    private static func isShown(
        _ bytes: UnsafeRawBufferPointer, _ slices: MessageSlices, to viewer: Principal?
    ) -> Bool {
        guard let range = slices.row else { return true }
        if bytes[slices.payload].elementsEqual("null".utf8) { return false }
        guard let viewer else { return true }
        var reader = ByteReader(Array(bytes[range])[...])
        // What cannot be read is shown to nobody but those who may read all.
        guard let row = try? RowVersion.decode(from: &reader) else { return false }
        return row.readers?.include(viewer) ?? true
    }
}
