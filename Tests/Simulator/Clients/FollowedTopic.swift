import Model

/// What one client has got of one topic.
package struct FollowedTopic {
    private let fromBeginning: Bool
    /// Where it began; nil until the first subscription is live.
    package private(set) var start: Cursor?
    /// What it has seen, was told to be lost, or was rightly not shown.
    package private(set) var cursor = Cursor()
    /// What it got, in order.
    package private(set) var payloads: [String] = []
    private var sessions: [String: Int] = [:]
    private var gaps: [(partition: Partition, range: ClosedRange<UInt64>)] = []

    init(fromBeginning: Bool) {
        self.fromBeginning = fromBeginning
    }

    /// The `since` of its next subscription, as JSON.
    var since: String {
        guard start != nil else { return fromBeginning ? #""beginning""# : "null" }
        return "{" + cursor.sorted.map { #""\#($0.partition)":\#($0.offset)"# }.joined(separator: ",") + "}"
    }

    /// A subscription is live; `missed` messages between what it has seen and `cursor` are lost.
    mutating func began(at cursor: Cursor, missed: UInt64) {
        if start == nil { start = cursor }
        for (partition, offset) in cursor.sorted {
            let seen = self.cursor[partition]
            if missed > 0, offset > seen { gaps.append((partition, seen + 1...offset)) }
            self.cursor.advance(partition, to: offset)
        }
    }

    /// A message came; gives what is wrong with that.
    mutating func received(_ payload: String, at partition: Partition, _ offset: UInt64, session: Int) -> String? {
        let seen = cursor[partition]
        cursor.advance(partition, to: offset)
        payloads.append(payload)
        let earlier = sessions.updateValue(session, forKey: payload)
        if offset <= seen { return "\(payload) at \(partition) \(offset) came again: \(seen) was seen" }
        if offset != seen + 1 { return "\(payload) at \(partition) \(offset) comes after \(seen), without a gap" }
        // A node that lacks one copy of a message cannot know that a client who comes from elsewhere has seen it.
        if earlier == session { return "\(payload) came twice" }
        return nil
    }

    /// Offsets were lost; gives what is wrong with that.
    mutating func lost(_ partition: Partition, from: UInt64, to: UInt64) -> String? {
        let seen = cursor[partition]
        gaps.append((partition, from...max(from, to)))
        cursor.advance(partition, to: to)
        return from == seen + 1 && from <= to ? nil : "a gap \(from)-\(to) at \(partition) comes after \(seen)"
    }

    /// Offsets were rightly not shown.
    mutating func passed(_ cursor: Cursor) {
        for (partition, offset) in cursor.sorted { self.cursor.advance(partition, to: offset) }
    }

    /// The messages of a history that it should have got and did not.
    package func missing(of history: [ShownMessage]) -> [ShownMessage] {
        let got = Set(payloads)
        return history.filter { message in
            message.offset > (start?[message.partition] ?? 0) && !got.contains(message.payload)
                && !gaps.contains { $0.partition == message.partition && $0.range.contains(message.offset) }
        }
    }
}
