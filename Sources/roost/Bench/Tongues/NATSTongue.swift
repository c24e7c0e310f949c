/// The client protocol of NATS in binary frames. A ping that shares a frame with messages is not answered, so a server
/// with a short `ping_interval` ends the connection of a long run.
struct NATSTongue: LoadTongue {
    let name = "nats"
    let subprotocol: String? = nil
    let sendsText = false
    let isPublisherBoundToTopic = false

    func target(_ role: LoadRole, topic: String) -> String { "/" }

    func opening(_ role: LoadRole, topics: [String], isFirst: Bool) -> LoadOpening {
        var text = "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"roost-bench\",\"version\":\"1\"}\r\n"
        if role == .subscriber {
            for (index, topic) in topics.enumerated() { text += "SUB \(topic) \(index + 1)\r\n" }
        }
        // Its answer comes once all before it has been done.
        return LoadOpening(frames: [Array((text + "PING\r\n").utf8)], answers: 1)
    }

    func publish(_ message: [UInt8], to topic: String) -> [UInt8] {
        Array("PUB \(topic) \(message.count)\r\n".utf8) + message + Array("\r\n".utf8)
    }

    func closing(topics: [String]) -> LoadOpening { LoadOpening() }

    func read(_ payload: [UInt8]) -> [LoadNotice] {
        String(decoding: payload, as: UTF8.self).split(separator: "\r\n").map { line in
            switch line {
            case "PONG": .answer
            case "PING": .reply(Array("PONG\r\n".utf8))
            default: line.hasPrefix("-ERR") ? .refused(String(line)) : .nothing
            }
        }
    }
}
