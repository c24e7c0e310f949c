import Model

/// What the owner and the two threads of a bus share, behind its one lock.
struct BusState {
    /// What the send thread is to do, in order.
    enum Command {
        /// Open a lane, or reopen it where the endpoint has changed.
        case connect(NodeID, Endpoint)
        /// Close a lane.
        case disconnect(NodeID)
        /// Open a lane's connection anew.
        case cycle(NodeID)
        /// Seal and send.
        case frame(NodeID, [UInt8])
        /// Seal for this run of the node from now on.
        case opened(LinkEnd)
        /// Answer a hello, within the budget.
        case answer(LinkHello)
        /// Send hellos now to the peers without a session.
        case greet
        /// Send what is queued, then end.
        case close
    }

    /// What is queued for one peer, here and on the send thread.
    struct Queue {
        /// In bytes.
        var bytes = 0
        /// A frame was refused, and the owner waits for room.
        var refused = false
    }

    /// With whom there are sessions.
    var sessions: LinkSessions
    /// What the send thread has not taken yet.
    var commands: [Command] = []
    /// The peers that the owner connected.
    var queues: [NodeID: Queue] = [:]
    /// Runs whose sessions have ended, for the receive thread to forget.
    var ended: [LinkEnd] = []
    /// What was carried and dropped.
    var counters = LinkCounters()
    /// No more commands are taken.
    var isClosing = false

    init(sessions: LinkSessions) {
        self.sessions = sessions
    }

    /// Takes frames in order as far as the queues allow.
    mutating func enqueue(_ frames: [(NodeID, [UInt8])], queueLimit: Int, frameLimit: Int) {
        for (node, frame) in frames {
            guard frame.count <= frameLimit else {
                counters.drop(.oversized)
                continue
            }
            guard let queue = queues[node], sessions[node] != nil else {
                counters.drop(.noSession)
                continue
            }
            guard queue.bytes + frame.count <= queueLimit else {
                queues[node]?.refused = true
                counters.drop(.queueFull)
                continue
            }
            queues[node]?.bytes += frame.count
            commands.append(.frame(node, frame))
        }
    }

    /// Gives back room that frames have left; whether the owner waits for it and there is enough.
    mutating func release(_ bytes: Int, of node: NodeID, queueLimit: Int) -> Bool {
        guard var queue = queues[node] else { return false }
        queue.bytes = max(0, queue.bytes - bytes)
        let writable = queue.refused && queue.bytes <= queueLimit / 2
        if writable { queue.refused = false }
        queues[node] = queue
        return writable
    }

    /// Takes a verified hello and tells the send thread what follows from it.
    mutating func receive(_ hello: LinkHello) -> LinkSessions.Outcome {
        if let reason = sessions.refusal(of: hello) { return LinkSessions.Outcome(dropped: reason) }
        guard queues[hello.sender.node] != nil else { return LinkSessions.Outcome(dropped: .stranger) }
        let outcome = sessions.receive(hello)
        if let peer = outcome.ended { ended.append(peer) }
        // In this order: the answer says from which counter on the new session counts.
        if outcome.opened { commands.append(.opened(hello.sender)) }
        if outcome.answer { commands.append(.answer(hello)) }
        return outcome
    }
}
