import Broker
import JSON
import Model

/// Writes the lines of an event stream.
enum EventStreamText {
    /// The `data:` lines of a text, one for each of its own lines; the event is not ended.
    static func data(_ text: [UInt8]) -> [UInt8] {
        var lines: [UInt8] = []
        lines.reserveCapacity(text.count + 8)
        lines += prefix
        var index = 0
        while index < text.count {
            let byte = text[index]
            index += 1
            guard byte == 0x0A || byte == 0x0D else {
                lines.append(byte)
                continue
            }
            // In JSON a line end stands between values only, never in a string.
            if byte == 0x0D, index < text.count, text[index] == 0x0A { index += 1 }
            lines.append(0x0A)
            lines += prefix
        }
        lines.append(0x0A)
        return lines
    }

    /// A whole event without an id.
    static func event(_ text: [UInt8], retryAfter delay: Duration? = nil) -> [UInt8] {
        let retry = delay.map { Array("retry: \($0.milliseconds)\n".utf8) } ?? []
        return retry + data(text) + [0x0A]
    }

    /// `{"type":"error","topic","error","code"}`.
    static func error(_ refusal: Refusal, topic: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        for (key, value) in [
            ("type", "error"), ("topic", topic), ("error", refusal.sentence), ("code", refusal.code),
        ] {
            writer.key(key)
            writer.string(value)
        }
        writer.endObject()
        return writer.bytes
    }

    private static let prefix = Array("data: ".utf8)
}

/// Reads where a stream begins.
enum EventStreamStart {
    /// - Returns: nil for a stream that begins with what comes from now on.
    static func since(lastEventID: String?, query: String?) throws(Refusal) -> Command.Since? {
        if let lastEventID, !lastEventID.isEmpty { return try place(lastEventID, "Last-Event-ID") }
        guard let text = query, !text.isEmpty else { return nil }
        if text == "beginning" { return .start(.beginning) }
        if text.hasPrefix("last:") {
            guard let count = Int(text.dropFirst(5)), (1...1_000_000).contains(count) else {
                throw .invalidMessage("\"since\" of the form last:N needs a whole number, 1 to 1000000")
            }
            return .start(.last(count))
        }
        if let time = Timestamp.time(text) { return .start(.time(time)) }
        return try place(text, "since")
    }

    private static func place(_ text: String, _ name: String) throws(Refusal) -> Command.Since {
        do throws(FormatError) {
            return try EventStreamPlaces.since(text: text)
        } catch {
            throw .invalidMessage(
                "\"\(name)\" is no event id of this server (\(error.description)); leave it out to begin now"
                    + (name == "since" ? ", or give beginning, last:N or an ISO 8601 time" : ""))
        }
    }
}
