import Foundation
import JSON

/// The newest messages by their `messageId`, so that one is known that its publisher sent again because a node had gone.
///
/// Nodes fold such repeats. But where only the node that has gone knew the first, and the subscriber has moved as well,
/// no node can know that the subscriber has it.
struct RepeatedMessages {
    /// How far two messages of one publisher with one id may be apart to be the same: the nodes' own window.
    static let window: TimeInterval = 300
    /// The most messages that are remembered; beyond it the oldest is forgotten.
    static let limit = 10_000

    private var times: [Key: Date] = [:]
    private var order: [Key] = []
    private var oldest = 0

    private struct Key: Hashable {
        let topic: String
        let user: String?
        let messageID: String
    }

    /// Whether a message did not come before; takes note of it.
    mutating func isNew(_ event: JSONView, in topic: String) -> Bool {
        guard let messageID = event["messageId"]?.string, let text = event["timestamp"]?.string,
            let time = try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text)
        else { return true }
        let key = Key(topic: topic, user: event["user"]?.string, messageID: messageID)
        if let earlier = times.updateValue(time, forKey: key) {
            return abs(time.timeIntervalSince(earlier)) > Self.window
        }
        if order.count < Self.limit {
            order.append(key)
        } else {
            times[order[oldest]] = nil
            order[oldest] = key
            oldest = (oldest + 1) % Self.limit
        }
        return true
    }
}
