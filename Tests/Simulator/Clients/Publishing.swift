import Model

/// What one client publishes, until it is acknowledged.
struct Publishing {
    /// A message on its way.
    struct Message {
        let topic: TopicName
        let payload: String
        let level: String
        /// The connection on which it was first sent; 0 for none.
        let connection: Int
        let number: Int
        var isRepeated = false
    }

    private let client: String
    /// How many messages were published.
    private(set) var lastNumber = 0
    private var waiting: [String: Message] = [:]
    /// Acknowledged on the connection on which they were first sent.
    private(set) var undisturbed: [Int: [String]] = [:]

    init(client: String) {
        self.client = client
    }

    var count: Int { waiting.count }

    /// Begins to publish a message, and gives the text for it.
    mutating func publish(_ topic: TopicName, level: String, on connection: Int) -> String {
        lastNumber += 1
        let payload = "\(client)-\(lastNumber)"
        waiting[payload] = Message(
            topic: topic, payload: payload, level: level, connection: connection, number: lastNumber)
        return Self.text(waiting[payload]!)
    }

    /// The texts to send on a new connection.
    mutating func unanswered(on connection: Int) -> [String] {
        waiting.values.sorted { $0.number < $1.number }.compactMap { text(of: $0.payload, on: connection) }
    }

    /// The text of a message that is sent again.
    mutating func text(of payload: String, on connection: Int) -> String? {
        waiting[payload]?.isRepeated = true
        return waiting[payload].map(Self.text)
    }

    /// An answer came; gives the message that it is to.
    mutating func answered(_ payload: String, isOK: Bool) -> Message? {
        guard isOK else { return waiting[payload] }
        guard let message = waiting.removeValue(forKey: payload) else { return nil }
        if !message.isRepeated { undisturbed[message.connection, default: []].append(payload) }
        return message
    }

    private static func text(_ message: Message) -> String {
        let fields = [
            ("topicName", message.topic.text), ("message", message.payload), ("messageId", message.payload),
            ("ack", message.level),
        ]
        let attributes = "{" + fields.map { #""\#($0.0)":"\#($0.1)""# }.joined(separator: ",") + "}"
        return #"{"id":"\#(message.payload)","method":"publish","attributes":\#(attributes)}"#
    }
}
