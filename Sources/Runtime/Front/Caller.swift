import Broker
import Model

/// One call from a door that keeps no connection, such as HTTP: a session of a few requests. Confined to its loop.
final class Caller {
    let expected: Int
    private var replies: [(index: Int, reply: Reply)] = []
    private var finished = 0
    private let each: (@Sendable (Reply) -> Void)?
    private var answer: (@Sendable ([Reply]) -> Void)?

    /// - Parameters:
    ///   - expected: how many requests are answered.
    ///   - each: is given every reply as it comes, which then is not kept; nil to keep them all.
    ///   - answer: is given the replies that were kept, at the end.
    init(
        expecting expected: Int, each: (@Sendable (Reply) -> Void)? = nil, answer: @escaping @Sendable ([Reply]) -> Void
    ) {
        self.expected = expected
        self.each = each
        self.answer = answer
    }

    /// Takes a reply; says whether it was the last. A command that waits for the disk is answered after one that came behind
    /// it and does not.
    ///
    /// - Parameter reference: that of the command; nil for what answers none.
    func take(_ reply: Reply, to reference: RequestReference?) -> Bool {
        let index = reference?.id.flatMap { Int(String(decoding: $0, as: UTF8.self)) }
        if let each { each(reply) } else { replies.append((index ?? .max, reply)) }
        if reply.isLast { finished += 1 }
        return finished == expected
    }

    /// Answers once with what came, in the order of the commands.
    func finish() {
        answer?(replies.sorted { $0.index < $1.index }.map(\.reply))
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

    /// Carries out one command whose replies are taken one by one: the next comes after ``takesMore(_:)``.
    ///
    /// - Returns: the connection that stands for the caller until it is closed.
    func stream(
        _ command: Command, as principal: Principal, each: @escaping @Sendable (Reply) -> Void,
        ended: @escaping @Sendable () -> Void
    ) -> ConnectionID {
        let caller = Caller(expecting: command.replyCount, each: each) { _ in ended() }
        let connection = open({ _ in .caller(caller) }, principal: principal)
        // It counts as one that does not read, but for the moments in which it says otherwise.
        congested(connection)
        let reference = RequestReference(id: Array("0".utf8), method: "call")
        receive([(connection, Request(reference: reference, command: command))])
        return connection
    }

    /// The caller has dealt with what it was given.
    func takesMore(_ connection: ConnectionID) {
        guard occupant(connection) != nil else { return }
        drained(connection)
        congested(connection)
    }
}
