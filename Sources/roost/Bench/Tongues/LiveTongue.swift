import JSON

/// Roost's own dialect at `/live`.
struct LiveTongue: LoadTongue {
    /// `disk` or `memory`: the durability of the topics that are made.
    let durability: String

    let name = "live"
    let subprotocol: String? = nil
    let sendsText = true
    let isPublisherBoundToTopic = false

    func target(_ role: LoadRole, topic: String) -> String { "/live" }

    func opening(_ role: LoadRole, topics: [String], isFirst: Bool) -> LoadOpening {
        switch role {
        case .subscriber: requests("subscribe", topics)
        case .publisher where isFirst:
            requests("create-topic", topics) { writer in
                guard durability != "disk" else { return }
                writer.key("durability")
                writer.string(durability)
            }
        // On another node a topic may not be known yet; its permissions are asked for to find out.
        case .publisher: requests("get-topic-permission", topics)
        }
    }

    func publish(_ message: [UInt8], to topic: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("method")
        writer.string("publish")
        writer.key("attributes")
        writer.beginObject()
        writer.key("topicName")
        writer.string(topic)
        writer.key("message")
        writer.raw(message)
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    func closing(topics: [String]) -> LoadOpening { requests("destroy-topic", topics) }

    func read(_ payload: [UInt8]) -> [LoadNotice] {
        let answer: LiveRequest.Answer
        do throws(CommandFailure) {
            answer = try LiveRequest.read(payload)
        } catch {
            switch error {
            case .refused(code: "TOPIC_EXISTS", _): return [.answer]
            case .refused(code: "TOPIC_NOT_FOUND", _): return [.again]
            default: return [.refused(error.sentence)]
            }
        }
        switch answer {
        case .response: return [.answer]
        case .gap: return [.gap]
        case .unsubscribed: return [.refused("the broker ended a subscription")]
        case .event, .cursor, .other: return [.nothing]
        }
    }

    private func requests(
        _ method: String, _ topics: [String], _ more: (inout JSONWriter) -> Void = { _ in }
    ) -> LoadOpening {
        let frames = topics.enumerated().map { index, topic in
            LiveRequest.text(id: index, method) { writer in
                writer.key("topicName")
                writer.string(topic)
                more(&writer)
            }
        }
        return LoadOpening(frames: frames, answers: frames.count)
    }
}
