/// A message is a frame, and a path is a topic: what nchan speaks, and a bare loop around `send`.
struct PlainTongue: LoadTongue {
    /// The path of a publisher; `{topic}` stands for the topic.
    let publishPath: String
    /// The path of a subscriber.
    let subscribePath: String

    let name = "plain"
    let subprotocol: String? = nil
    let sendsText = true
    let isPublisherBoundToTopic = true

    func target(_ role: LoadRole, topic: String) -> String {
        let path = role == .publisher ? publishPath : subscribePath
        guard let hole = path.firstRange(of: "{topic}") else { return path }
        return path.replacingCharacters(in: hole, with: pathSegment(topic))
    }

    func opening(_ role: LoadRole, topics: [String], isFirst: Bool) -> LoadOpening { LoadOpening() }

    func publish(_ message: [UInt8], to topic: String) -> [UInt8] { message }

    func closing(topics: [String]) -> LoadOpening { LoadOpening() }

    func read(_ payload: [UInt8]) -> [LoadNotice] { [.nothing] }
}

extension String {
    /// The text with a part of it exchanged.
    fileprivate func replacingCharacters(in range: Range<Index>, with text: String) -> String {
        self[..<range.lowerBound] + text + self[range.upperBound...]
    }
}
