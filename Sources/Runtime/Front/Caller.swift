import Broker
import Model

/// One call from a door that keeps no connection, such as HTTP: a session of a few requests. Confined to its loop.
final class Caller {
    let expected: Int
    var replies: [Reply] = []
    private var answer: (@Sendable ([Reply]) -> Void)?

    init(expecting expected: Int, answer: @escaping @Sendable ([Reply]) -> Void) {
        self.expected = expected
        self.answer = answer
    }

    /// Answers once with what came.
    func finish() {
        answer?(replies)
        answer = nil
    }
}

extension FrontLoop {
    /// Carries out commands of one principal in order, and gives one reply for each.
    func perform(_ commands: [Command], as principal: Principal, answer: @escaping @Sendable ([Reply]) -> Void) {
        let caller = Caller(expecting: commands.reduce(0) { $0 + $1.replyCount }, answer: answer)
        guard caller.expected > 0 else { return caller.finish() }
        let connection = open({ _ in .caller(caller) }, principal: principal)
        receive(
            commands.enumerated().map { index, command in
                let id = Array("\(index)".utf8)
                return (connection, Request(reference: RequestReference(id: id, method: "call"), command: command))
            })
    }
}
