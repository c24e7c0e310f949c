import Broker
import JSON
import Model

/// How a question in words becomes SQL: an operator's own responder answers requests of the topic `$query/translate`.
///
/// It is asked `{"question","schema"?}` and answers `{"sql": …}`, or the SQL alone as a string, or `{"error": …}` where it
/// has none. What it answers is run with the rights of the user who asked.
enum SQLatteTranslation {
    static let topic: TopicName = {
        guard let topic = try? TopicName("$query/translate") else { preconditionFailure("$query/translate is a name") }
        return topic
    }()

    /// How long a translator may take: 30 s.
    private static let patience: Duration = .seconds(30)

    static func command(_ question: String, schema: String?) -> Command {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("question")
        writer.string(question)
        if let schema {
            writer.key("schema")
            writer.string(schema)
        }
        writer.endObject()
        return .request(Command.Ask(topic: topic, payload: writer.bytes, patience: patience))
    }

    /// The statement in an answer.
    static func sql(_ answer: [UInt8]) throws(Refusal) -> String {
        guard let view = try? JSONView(parsing: answer) else {
            throw .queryWrong("the translator gave no answer to the question")
        }
        if let error = view["error"]?.string {
            throw .queryWrong("the translator has no SQL for the question: \(error)")
        }
        guard let sql = view.string ?? view["sql"]?.string else {
            throw .queryWrong("the translator's answer is no SQL; it must be {\"sql\": …} or {\"error\": …}")
        }
        return sql
    }

    /// A refusal of the request, in words for somebody who knows nothing of topics.
    static func refusal(_ refusal: Refusal) -> Refusal {
        switch refusal {
        case .topicUnknown, .requestFailed(.nobody):
            .notSupported(
                "no translator of questions in words is attached: ask in SQL, or have a program answer the requests of "
                    + "topic \"\(topic)\"")
        default: refusal
        }
    }
}
