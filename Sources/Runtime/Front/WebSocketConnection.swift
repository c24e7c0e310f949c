import Broker
import Dialects
import Model
import NIOCore
import WebSocket

/// One client's WebSocket.
///
/// A client that goes on asking without reading the answers is, after a further bound, not read from either.
final class WebSocketConnection: ClientConnection {
    /// The dialect, where it only translates: its texts then need not be put into steps.
    private let translator: (any TranslatingDialect)?
    /// How far back compressed frames may refer; nil where compression was not agreed.
    let window: DeflateWindow?
    private var assembler: MessageAssembler
    /// Bytes of replies written while congested.
    private var unreadReplies = 0
    /// The newest ping that came while congested.
    private var waitingPing: [UInt8]?
    /// Pings since anything was heard.
    private var unansweredPings = 0
    /// Whether the shard wants nothing more from the client for now.
    private var isHeld = false
    /// The branches of the conversation; nil until there is one.
    private var branches: ClientBranches?
    /// When the dialect wants to be asked what is due.
    private var dueTimer: DueTimer?

    /// - Parameter deflate: what the response to the upgrade agrees to about compression.
    init(dialect: any Dialect, loop: FrontLoop, deflate: DeflateAgreement?, opening: ClientOpening) {
        window = deflate?.window
        translator = dialect as? any TranslatingDialect
        assembler = MessageAssembler(
            role: .server, messageLimit: dialect.messageLimit ?? loop.settings.messageLimit,
            acceptsCompressed: deflate != nil)
        if deflate != nil { loop.counters.compressing += 1 }
        super.init(
            dialect: dialect, form: .frames(dialect.encoding, window: window), loop: loop, opening: opening)
    }

    override func channelInactive(context: ChannelHandlerContext) {
        dueTimer?.cancel()
        super.channelInactive(context: context)
        branches = nil
    }

    // MARK: From the client

    override func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard stage != .closed else { return }
        let bytes = unwrapInboundIn(data)
        loop.counters.bytesReceived += UInt64(bytes.readableBytes)
        unansweredPings = 0
        bytes.withUnsafeReadableBytes { raw in
            var taken = 0
            while taken < raw.count, let count = receive(UnsafeRawBufferPointer(rebasing: raw[taken...])) {
                taken += count
            }
        }
    }

    /// Deals with the next bytes, or with the first of them when they inflate to many more.
    /// - Returns: how many were dealt with; nil when the client broke the protocol and the connection closes.
    private func receive(_ bytes: UnsafeRawBufferPointer) -> Int? {
        var events: [MessageEvent] = []
        do throws(ProtocolViolation) {
            let count = try assembler.receive(bytes, pausingAfter: Self.inflatedAtOnce, into: &events)
            receive(events)
            return count
        } catch {
            receive(events)
            guard stage == .open else { return nil }
            loop.counters.violations += 1
            switch error {
            case .messageTooLarge, .inflatedTooLarge: loop.counters.largeMessages += 1
            default: break
            }
            if error.isOfCompression { loop.counters.inflateRefusals += 1 }
            close(error.code, error.reason)
            // What the peer says now is not read, not even its answer to the close (RFC 6455 §7.1.7), so our side of the
            // stream ends here. What is on its way to us is still taken, or a reset could overtake the frame.
            context?.close(mode: .output, promise: nil)
            return nil
        }
    }

    /// Compressed messages of one read that inflate to more bytes in all are dealt with one after another, so that a read
    /// takes no more memory than this and one message. 64 KiB, as much as a read has itself.
    private static let inflatedAtOnce = 65_536

    private func receive(_ events: [MessageEvent]) {
        guard connection != nil else { return }
        var requests: [(connection: ConnectionID, request: Request)] = []
        // The pongs of one read are written together: thousands of tiny frames, each kept by itself, would be no small
        // matter.
        var pongs: [UInt8] = []
        var pongCount = 0
        for event in events {
            switch event {
            case .text(let text):
                guard stage == .open else { continue }
                loop.counters.messagesReceived += 1
                if let translator, let connection {
                    for request in translator.receive(text) { requests.append((connection, request)) }
                } else {
                    take(dialect.steps(for: text), &requests)
                }
            case .binary(let bytes):
                guard stage == .open else { continue }
                guard let steps = dialect.steps(forBinary: bytes) else {
                    writePongs(&pongs, &pongCount)
                    hand(&requests)
                    loop.counters.violations += 1
                    close(.unsupportedData, "only text messages are spoken here")
                    continue
                }
                loop.counters.messagesReceived += 1
                take(steps, &requests)
            case .ping(let payload):
                guard stage == .open else { continue }
                // RFC 6455 §5.5.3: of several pings that wait, the newest may be answered for all.
                guard !isCongested else {
                    waitingPing = payload
                    countUnread(payload.count + 2)
                    continue
                }
                FrameEncoder.pong(payload, into: &pongs)
                pongCount += 1
            case .pong: break
            case .close(let code, _):
                writePongs(&pongs, &pongCount)
                hand(&requests)
                peerCloses(code)
            }
        }
        writePongs(&pongs, &pongCount)
        hand(&requests)
    }

    private func writePongs(_ pongs: inout [UInt8], _ count: inout Int) {
        guard count > 0 else { return }
        writeReply(ByteBuffer(bytes: pongs), frames: count)
        (pongs, count) = ([], 0)
    }

    private func hand(_ requests: inout [(connection: ConnectionID, request: Request)]) {
        guard !requests.isEmpty, stage == .open else { return }
        loop.receive(requests)
        requests = []
    }

    // MARK: What the conversation wants

    private func take(_ steps: [DialectStep], _ requests: inout [(connection: ConnectionID, request: Request)]) {
        for step in steps { take(step, .text, &requests) }
    }

    /// Takes a step; requests that follow one another are handed over together.
    private func take(
        _ step: DialectStep, _ opcode: Opcode, _ requests: inout [(connection: ConnectionID, request: Request)]
    ) {
        guard let connection, stage == .open else { return }
        switch step {
        case .request(let request): requests.append((connection, request))
        case .open(let branch, let form):
            var open = branches ?? ClientBranches()
            let session = loop.open(branch, of: self, connection)
            open.begin(branch, form, as: session)
            branches = open
            // A client that reads nothing now gets the branch's events from the log, like all others.
            if isCongested { loop.congested(session) }
        case .requestOn(let branch, let request):
            guard let session = branches?.connection(of: branch) else { return }
            requests.append((connection, Self.charge))
            requests.append((session, request))
        case .end(let branch):
            hand(&requests)
            if let session = branches?.end(branch) { loop.closed(session) }
        case .send(let text):
            hand(&requests)
            writeReply(frame(opcode, text))
        case .close(let code, let reason):
            hand(&requests)
            close(code: code, reason)
        case .wake(let delay):
            dueTimer?.cancel()
            dueTimer = DueTimer(loop.eventLoop.assumeIsolated().scheduleTask(in: delay.timeAmount) { self.isDue() })
        }
    }

    /// What counts a branch's request against its connection's requests a second, and does nothing else.
    private static let charge = Request(
        reference: RequestReference(id: nil, method: "", wantsReply: false), command: .ping)

    private func isDue() {
        dueTimer = nil
        tell(dialect.stepsWhenDue())
    }

    override var branchConnections: [ConnectionID] { branches?.connections ?? [] }

    /// How a branch's events are written; nil once it has ended.
    func form(of branch: BranchID) -> BranchForm? { branches?.form(of: branch) }

    // MARK: To the client

    override func notify(_ notice: Notice) {
        guard let translator else { return tell(dialect.steps(for: notice, on: nil)) }
        if let text = translator.encode(notice) { write(frame(.text, text)) }
    }

    /// Tells something of a branch; one that has ended meanwhile is told of no more.
    func notify(_ notice: Notice, on branch: BranchID) {
        guard let form = form(of: branch) else { return }
        if case .event(let item) = notice { return write(frame(.text, form.text(of: item))) }
        tell(dialect.steps(for: notice, on: branch))
    }

    /// Takes steps that the client did not ask for: what they say does not count against one that reads nothing.
    private func tell(_ steps: [DialectStep]) {
        var requests: [(connection: ConnectionID, request: Request)] = []
        for step in steps {
            if case .send(let text) = step { write(frame(.text, text)) } else { take(step, .text, &requests) }
        }
        hand(&requests)
    }

    override func reply(_ reply: Reply, to reference: RequestReference) {
        let opcode: Opcode = dialect.answersInBinary(reference) ? .binary : .text
        if let translator {
            for answer in translator.encode(reply, to: reference) { writeReply(frame(opcode, answer)) }
            if let connection, stage == .open { begin(translator.followUp().map { (connection, $0) }) }
        } else {
            var requests: [(connection: ConnectionID, request: Request)] = []
            for step in dialect.steps(for: reply, to: reference) { take(step, opcode, &requests) }
            hand(&requests)
        }
        if dialect.ends(after: reply, to: reference) { close(.normal, "") }
    }

    /// The frame of a message that goes to this client alone.
    private func frame(_ opcode: Opcode, _ message: [UInt8]) -> ByteBuffer {
        loop.compressor.frame(opcode, message, window: window, counting: &loop.counters)
    }

    /// Writes what the client itself asked for, and counts it when the client does not read.
    private func writeReply(_ bytes: ByteBuffer, frames: Int = 1) {
        write(bytes, frames: frames)
        if isCongested { countUnread(bytes.readableBytes) }
    }

    /// Counts bytes for a client that does not read; past the limit it is not read either.
    private func countUnread(_ bytes: Int) {
        unreadReplies += bytes
        if unreadReplies > loop.settings.unreadReplyLimit { setReading(false) }
    }

    /// Whether the client's socket is to be read.
    private var mayRead: Bool { !isHeld && !isMoving && unreadReplies <= loop.settings.unreadReplyLimit }

    override func hasRoom() {
        let wasReading = mayRead
        unreadReplies = 0
        if !wasReading, mayRead { setReading(true) }
        if let payload = waitingPing {
            var frame: [UInt8] = []
            FrameEncoder.pong(payload, into: &frame)
            writeReply(ByteBuffer(bytes: frame))
        }
        waitingPing = nil
    }

    override func hold() {
        isHeld = true
        if stage == .open { setReading(false) }
    }

    override func release() {
        isHeld = false
        if stage == .open, mayRead { setReading(true) }
    }

    private func setReading(_ isReading: Bool) {
        guard let options = context?.channel.syncOptions else { return }
        do {
            try options.setOption(.autoRead, value: isReading)
            if isReading { context?.read() }
        } catch {
            // The channel has just closed; `channelInactive` follows.
            context?.close(promise: nil)
        }
    }

    // MARK: The end

    /// Sends a ping; closes when nothing was heard for the time-out since the first that was not answered.
    override func ping() {
        // What a client says while it is held is not read, its pongs included.
        guard stage == .open, !isHeld, !isMoving else { return }
        guard loop.settings.pingInterval * unansweredPings < loop.settings.pongTimeout else {
            loop.counters.unanswered += 1
            return close(.policyViolation, "no pong within \(loop.settings.pongTimeout.components.seconds) s")
        }
        unansweredPings += 1
        var frame: [UInt8] = []
        FrameEncoder.ping([], into: &frame)
        write(ByteBuffer(bytes: frame))
    }

    override func stopReading() { setReading(false) }

    override func close(code: UInt16, _ reason: String) { close(CloseCode(rawValue: code), reason) }

    /// Sends a close frame and gives the peer a while to answer it.
    private func close(_ code: CloseCode, _ reason: String) {
        guard stage == .open, context != nil else { return }
        writeLast(code, reason)
        guard stage == .open else { return }
        stage = .closing
        // Closing at once could reset the connection under the frame; the peer closes first, or time does.
        setReading(true)
        closeLater()
    }

    /// Answers the peer's close frame, or takes its answer to ours (RFC 6455 §5.5.1), and ends the connection.
    private func peerCloses(_ code: CloseCode?) {
        guard context != nil else { return }
        if stage == .open { writeLast(code, "") }
        // The channel may still have bytes for a peer that may read them; it is given as long as for a close frame.
        closeAfterWrites()
    }

    /// Writes a close frame, and sends it with all that came before.
    private func writeLast(_ code: CloseCode?, _ reason: String) {
        var frame: [UInt8] = []
        FrameEncoder.close(code, reason: reason, into: &frame)
        write(ByteBuffer(bytes: frame))
        flush()
        if let connection { loop.forbidDirect(connection) }
    }
}
