import Model

/// Decides, on one channel, with which run of which node there is a session.
///
/// A hello that echoes nothing, or what is no longer current, is only answered, and the answer is made from the hello
/// alone. A session opens only on a hello that echoes our boot and our current ticket for that node, which its sender
/// can know only from a hello of ours since the last change: so a recorded hello never opens or replaces one.
///
/// On the bus a node has one session, and a later run takes the earlier one's place. In gossip it may have two: whether
/// the earlier run is still there is membership's to find out, and it must be able to ask.
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
    /// With how many runs of one node there may be sessions: 1, or 2 where copies of this very node are met too.
    private let runsPerNode: Int
    private var sessions: [NodeID: [Session]] = [:]
    private var lastTicket: UInt64 = 1
    private var strangersTicket: UInt64 = 1
    private var clock: UInt64 = 0

    /// No session yet; at most `bound` of them. `frameLimit` is the largest sealed frame that we receive, in bytes.
    package init(identity: LinkIdentity, bound: Int, frameLimit: Int, runsPerNode: Int = 1) {
        self.identity = identity
        self.bound = bound
        self.frameLimit = frameLimit
        self.runsPerNode = runsPerNode
    }

    /// The newest session with a node.
    package subscript(node: NodeID) -> Session? { sessions[node]?.last }

    /// The session with a run of a node.
    package subscript(end: LinkEnd) -> Session? { sessions[end.node]?.first { $0.boot == end.boot } }

    /// How many sessions there are.
    package var count: Int { sessions.values.reduce(0) { $0 + $1.count } }

    /// Whether messages of a limit fit our receive limit once they are framed and sealed.
    package static func fits(messageLimit: Int, frameLimit: Int) -> Bool {
        messageLimit >= 0 && messageLimit <= frameLimit - LinkIdentity.messageEnvelope - SealedHeader.dataOverhead
    }

    /// A hello on our own behalf: with a session it echoes the peer, without one nothing.
    package func hello(to node: NodeID?, firstCounter: UInt64) -> LinkHello {
        hello(with: node.flatMap { self[$0] }, firstCounter: firstCounter)
    }

    /// A hello to a run with which there is a session.
    package func hello(to end: LinkEnd, firstCounter: UInt64) -> LinkHello {
        hello(with: self[end], firstCounter: firstCounter)
    }

    /// The answer to a hello.
    package func answer(to hello: LinkHello, firstCounter: UInt64) -> LinkHello {
        let echo = LinkHello.Echo(boot: hello.sender.boot, ticket: hello.ticket)
        return self.hello(
            ticket: ticket(for: hello.sender), echo: echo, hasSession: self[hello.sender] != nil,
            firstCounter: firstCounter)
    }

    /// Takes a verified hello.
    package mutating func receive(_ hello: LinkHello) -> Outcome {
        let (node, boot) = (hello.sender.node, hello.sender.boot)
        if let reason = refusal(of: hello) { return Outcome(dropped: reason) }
        let echoesBoot = hello.echo?.boot == identity.boot
        if let index = sessions[node]?.firstIndex(where: { $0.boot == boot }) {
            sessions[node]![index].peerTicket = hello.ticket
            return Outcome(confirmed: echoesBoot, answer: !(hello.hasSession && echoesBoot))
        }
        guard echoesBoot, hello.echo?.ticket == ticket(for: hello.sender) else {
            return Outcome(answer: true, dropped: hello.echo == nil ? nil : .staleEcho)
        }
        let ended = makeRoom(for: node)
        sessions[node, default: []].append(
            Session(boot: boot, ticket: newTicket(), peerTicket: hello.ticket, heard: tick()))
        return Outcome(opened: true, ended: ended, answer: !hello.hasSession)
    }

    /// Data of the node's newest session has verified.
    package mutating func heard(_ node: NodeID) {
        if let boot = self[node]?.boot { heard(LinkEnd(node: node, boot: boot)) }
    }

    /// Data of a session has verified.
    package mutating func heard(_ end: LinkEnd) {
        guard let index = sessions[end.node]?.firstIndex(where: { $0.boot == end.boot }) else { return }
        sessions[end.node]![index].heard = tick()
    }

    /// Ends the newest session with a node; the run that it was with.
    @discardableResult
    package mutating func forget(_ node: NodeID) -> LinkEnd? {
        guard let session = self[node] else { return nil }
        return forget(LinkEnd(node: node, boot: session.boot))
    }

    private mutating func forget(_ end: LinkEnd) -> LinkEnd {
        sessions[end.node]?.removeAll { $0.boot == end.boot }
        if sessions[end.node]?.isEmpty == true { sessions[end.node] = nil }
        // Hellos that echo what a forgotten session was opened with are old from now on.
        strangersTicket = newTicket()
        return end
    }

    /// Why a hello can open no session, whatever it echoes.
    func refusal(of hello: LinkHello) -> DropReason? {
        if hello.sender.boot == identity.boot { return .reflected }
        if hello.sender.node == identity.node, runsPerNode == 1 { return .duplicateIdentity }
        if identity.versions.common(with: hello.versions) == nil { return .unknownVersion }
        return Self.fits(messageLimit: hello.messageLimit, frameLimit: frameLimit) ? nil : .limitMismatch
    }

    /// What a run is to echo. Where one session takes another's place, the one that stands says it.
    private func ticket(for end: LinkEnd) -> UInt64 {
        (self[end] ?? (runsPerNode == 1 ? self[end.node] : nil))?.ticket ?? strangersTicket
    }

    private func hello(with session: Session?, firstCounter: UInt64) -> LinkHello {
        hello(
            ticket: session?.ticket ?? strangersTicket,
            echo: session.map { LinkHello.Echo(boot: $0.boot, ticket: $0.peerTicket) }, hasSession: session != nil,
            firstCounter: firstCounter)
    }

    private func hello(ticket: UInt64, echo: LinkHello.Echo?, hasSession: Bool, firstCounter: UInt64) -> LinkHello {
        LinkHello(
            sender: identity.end, ticket: ticket, echo: echo, hasSession: hasSession, firstCounter: firstCounter,
            versions: identity.versions, messageLimit: identity.messageLimit, advertised: identity.advertised)
    }

    private mutating func newTicket() -> UInt64 {
        lastTicket += 1
        return lastTicket
    }

    private mutating func tick() -> UInt64 {
        clock += 1
        return clock
    }

    /// Ends the session that gives way to one more with a node: its own unheard for longest where it has as many as it
    /// may, else anybody's where all are taken.
    private mutating func makeRoom(for node: NodeID) -> LinkEnd? {
        let own = sessions[node] ?? []
        if runsPerNode == 1, let replaced = own.first {
            // Its ticket was the one echoed, so that nothing older is left to be replayed.
            sessions[node] = nil
            return LinkEnd(node: node, boot: replaced.boot)
        }
        let candidates: [(end: LinkEnd, heard: UInt64)]
        if own.count >= runsPerNode {
            candidates = own.map { (LinkEnd(node: node, boot: $0.boot), $0.heard) }
        } else if count >= bound {
            candidates = sessions.flatMap { entry in
                entry.value.map { (LinkEnd(node: entry.key, boot: $0.boot), $0.heard) }
            }
        } else {
            return nil
        }
        return candidates.min { $0.heard < $1.heard }.map { forget($0.end) }
    }
}
