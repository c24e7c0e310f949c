/// MQTT 3.1.1 (OASIS standard, 29 October 2014) at quality of service 0, in binary frames (§6).
struct MQTTTongue: LoadTongue {
    let name = "mqtt"
    let subprotocol: String? = "mqtt"
    let sendsText = false
    let isPublisherBoundToTopic = false

    func target(_ role: LoadRole, topic: String) -> String { "/mqtt" }

    func opening(_ role: LoadRole, topics: [String], isFirst: Bool) -> LoadOpening {
        // A clean session without keep-alive, and an identifier that the broker chooses (§3.1).
        let connect = packet(0x10, text("MQTT") + [4, 0x02, 0, 0] + text(""))
        guard role == .subscriber else { return LoadOpening(frames: [connect], answers: 1) }
        let subscriptions = topics.map { packet(0x82, [0, 1] + text($0) + [0]) }
        return LoadOpening(frames: [connect] + subscriptions, answers: 1 + subscriptions.count)
    }

    func publish(_ message: [UInt8], to topic: String) -> [UInt8] { packet(0x30, text(topic) + message) }

    func closing(topics: [String]) -> LoadOpening { LoadOpening() }

    func read(_ payload: [UInt8]) -> [LoadNotice] {
        var notices: [LoadNotice] = []
        var rest = payload[...]
        while let kind = rest.first {
            guard let (length, start) = remainingLength(rest), start + length <= rest.endIndex else {
                return notices + [.refused("a packet of MQTT is incomplete")]
            }
            notices.append(notice(kind, rest[start..<(start + length)]))
            rest = rest[(start + length)...]
        }
        return notices
    }

    private func notice(_ kind: UInt8, _ body: ArraySlice<UInt8>) -> LoadNotice {
        switch kind >> 4 {
        case 2: body.last == 0 ? .answer : .refused("CONNACK with code \(body.last ?? 255)")
        case 9: body.last.map { $0 < 3 } == true ? .answer : .refused("SUBACK with a failure")
        default: .nothing
        }
    }

    /// A control packet: kind and flags, the length of the rest, the rest (§2.2).
    private func packet(_ first: UInt8, _ body: [UInt8]) -> [UInt8] {
        var bytes = [first]
        var length = body.count
        repeat {
            bytes.append(UInt8(length & 0x7F) | (length > 0x7F ? 0x80 : 0))
            length >>= 7
        } while length > 0
        return bytes + body
    }

    /// A text with its length before it (§1.5.3).
    private func text(_ value: String) -> [UInt8] {
        [UInt8(truncatingIfNeeded: value.utf8.count >> 8), UInt8(truncatingIfNeeded: value.utf8.count)] + value.utf8
    }

    /// How long the rest of a packet is, and where it begins; nil while bytes are missing (§2.2.3).
    private func remainingLength(_ packet: ArraySlice<UInt8>) -> (length: Int, start: Int)? {
        var length = 0
        for place in 0..<4 {
            let index = packet.startIndex + 1 + place
            guard index < packet.endIndex else { return nil }
            length |= Int(packet[index] & 0x7F) << (7 * place)
            if packet[index] & 0x80 == 0 { return (length, index + 1) }
        }
        return nil
    }
}
