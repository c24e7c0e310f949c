import Dispatch
import Journal
import Model

/// Where a query's messages come from: the node's log.
package struct QuerySource: Sendable {
    let log: LogThread
    let storage: any Storage
    /// The local sequence that has been given out by now.
    let sequence: @Sendable () -> UInt64

    /// How often somebody who waits for the log looks whether the query still goes on: every 50 ms.
    private static let patience = 0.05

    /// Asks the log's thread; nil where the log is closed or failed.
    func survey(_ read: SurveyRead, _ guardian: QueryGuard) throws(QueryStop) -> SurveyPage {
        let box = AnswerBox<SurveyPage?>()
        log.survey(read) { box.put($0) }
        while true {
            if let answer = box.take(within: Self.patience) {
                guard let page = answer else { throw .refusal(.internal("this node's log is closed")) }
                return page
            }
            try guardian.check()
        }
    }

    /// The cursor after which a topic's newest `count` messages stand.
    func start(ofLast count: Int, _ topic: TopicName, generation: UInt32, _ guardian: QueryGuard) throws(QueryStop) -> Cursor {
        let box = AnswerBox<Cursor?>()
        let read = TopicRead(
            topic: topic, generation: generation, mode: .resolve(.last(count), through: 0), messageLimit: 1, byteLimit: 1)
        log.read(read) { result in
            if case .success(let page) = result { box.put(page.cursor) } else { box.put(nil) }
        }
        while true {
            if let answer = box.take(within: Self.patience) {
                guard let cursor = answer else { throw .refusal(.internal("this node's log could not be read")) }
                return cursor
            }
            try guardian.check()
        }
    }
}

/// An answer that another thread gives once.
private final class AnswerBox<Answer: Sendable>: @unchecked Sendable {
    // Written before the signal, read after it.
    private var answer: Answer?
    private let semaphore = DispatchSemaphore(value: 0)

    func put(_ answer: Answer) {
        self.answer = answer
        semaphore.signal()
    }

    func take(within seconds: Double) -> Answer? {
        semaphore.wait(timeout: .now() + seconds) == .success ? answer : nil
    }
}
