import Model

/// Decides, on one channel, with which run of which node there is a session.
///
/// A hello that echoes nothing, or what is no longer current, is only answered, and the answer is made from the hello
/// alone. A session opens only on a hello that echoes our boot and our current ticket for that node, which its sender
/// can know only from a hello of ours since the last change: so a recorded hello never opens or replaces one.
///
///     A → B   hello, no echo
///     B → A   hello, echo of A            A opens
///     A → B   hello, echo of B, session   B opens
package struct LinkSessions: Sendable {
    /// A session with one run of one node.
    package struct Session: Sendable, Equatable {
        /// The peer's run.
        package let boot: Boot
        /// What we ask the peer to echo.
        package let ticket: UInt64
        /// What the peer last asked us to echo.
        package fileprivate(set) var peerTicket: UInt64
        /// Grows with each sign of life; the smallest is evicted.
        fileprivate var heard: UInt64
    }

    /// What came of a hello.
    package struct Outcome: Equatable, Sendable {
        /// The hello opened a session, or replaced that of an earlier run.
        package var opened = false
        /// Its sender's run is the one with which there is a session already, and knows our run.
        package var confirmed = false
        /// The run whose session has ended by this, of this node or of one evicted.
        package var ended: LinkEnd?
        /// Its sender needs a hello from us.
        package var answer = false
        /// Why it changed nothing, where that is worth counting.
        package var dropped: DropReason?

        package init(
            opened: Bool = false, confirmed: Bool = false, ended: LinkEnd? = nil, answer: Bool = false,
            dropped: DropReason? = nil
        ) {
            self.opened = opened
            self.confirmed = confirmed
            self.ended = ended
            self.answer = answer
            self.dropped = dropped
        }
    }

    private let identity: LinkIdentity
    private let bound: Int
    private let frameLimit: Int
    private var sessions: [NodeID: Session] = [:]
    private var lastTicket: UInt64 = 1
    private var strangersTicket: UInt64 = 1
    private var clock: UInt64 = 0

    /// No session yet; at most `bound` of them. `frameLimit` is the largest sealed frame that we receive, in bytes.
    package init(identity: LinkIdentity, bound: Int, frameLimit: Int) {
        self.identity = identity
        self.bound = bound
        self.frameLimit = frameLimit
    }

    /// The session with a node.
    package subscript(node: NodeID) -> Session? { sessions[node] }

    /// How many sessions there are.
    package var count: Int { sessions.count }

    /// Whether messages of a limit fit our receive limit once they are framed and sealed.
    package static func fits(messageLimit: Int, frameLimit: Int) -> Bool {
        messageLimit >= 0 && messageLimit <= frameLimit - LinkIdentity.messageEnvelope - SealedHeader.dataOverhead
    }

    /// A hello on our own behalf: with a session it echoes the peer, without one nothing.
    package func hello(to node: NodeID?, firstCounter: UInt64) -> LinkHello {
        let session = node.flatMap { sessions[$0] }
        let echo = session.map { LinkHello.Echo(boot: $0.boot, ticket: $0.peerTicket) }
        return hello(node, echo: echo, hasSession: session != nil, firstCounter: firstCounter)
    }

    /// The answer to a hello.
    package func answer(to hello: LinkHello, firstCounter: UInt64) -> LinkHello {
        let node = hello.sender.node
        let hasSession = sessions[node]?.boot == hello.sender.boot
        let echo = LinkHello.Echo(boot: hello.sender.boot, ticket: hello.ticket)
        return self.hello(node, echo: echo, hasSession: hasSession, firstCounter: firstCounter)
    }

    /// Takes a verified hello.
    package mutating func receive(_ hello: LinkHello) -> Outcome {
        let node = hello.sender.node
        if let reason = refusal(of: hello) { return Outcome(dropped: reason) }
        let echoesBoot = hello.echo?.boot == identity.boot
        if sessions[node]?.boot == hello.sender.boot {
            sessions[node]?.peerTicket = hello.ticket
            return Outcome(confirmed: echoesBoot, answer: !(hello.hasSession && echoesBoot))
        }
        guard echoesBoot, hello.echo?.ticket == ticket(for: node) else {
            return Outcome(answer: true, dropped: hello.echo == nil ? nil : .staleEcho)
        }
        let ended = sessions[node].map { LinkEnd(node: node, boot: $0.boot) } ?? evictForOneMore()
        sessions[node] = Session(
            boot: hello.sender.boot, ticket: newTicket(), peerTicket: hello.ticket, heard: tick())
        return Outcome(opened: true, ended: ended, answer: !hello.hasSession)
    }

    /// Data of the node's session has verified.
    package mutating func heard(_ node: NodeID) {
        let now = tick()
        sessions[node]?.heard = now
    }

    /// Ends the session with a node; the run that it was with.
    @discardableResult
    package mutating func forget(_ node: NodeID) -> LinkEnd? {
        guard let session = sessions.removeValue(forKey: node) else { return nil }
        // Hellos that echo what a forgotten session was opened with are old from now on.
        strangersTicket = newTicket()
        return LinkEnd(node: node, boot: session.boot)
    }

    /// Why a hello can open no session, whatever it echoes.
    func refusal(of hello: LinkHello) -> DropReason? {
        if hello.sender.boot == identity.boot { return .reflected }
        if hello.sender.node == identity.node { return .duplicateIdentity }
        if hello.wireVersion != LinkHello.wireVersion { return .unknownVersion }
        return Self.fits(messageLimit: hello.messageLimit, frameLimit: frameLimit) ? nil : .limitMismatch
    }

    private func ticket(for node: NodeID?) -> UInt64 {
        node.flatMap { sessions[$0]?.ticket } ?? strangersTicket
    }

    private func hello(_ node: NodeID?, echo: LinkHello.Echo?, hasSession: Bool, firstCounter: UInt64) -> LinkHello {
        LinkHello(
            sender: identity.end, ticket: ticket(for: node), echo: echo, hasSession: hasSession,
            firstCounter: firstCounter, messageLimit: identity.messageLimit, advertised: identity.advertised)
    }

    private mutating func newTicket() -> UInt64 {
        lastTicket += 1
        return lastTicket
    }

    private mutating func tick() -> UInt64 {
        clock += 1
        return clock
    }

    private mutating func evictForOneMore() -> LinkEnd? {
        guard sessions.count >= bound, let oldest = sessions.min(by: { $0.value.heard < $1.value.heard }) else {
            return nil
        }
        return forget(oldest.key)
    }
}
