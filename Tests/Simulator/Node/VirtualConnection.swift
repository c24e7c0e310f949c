import Broker
import Dialects
import Model

/// One client's connection: text both ways, in order, with a delay, and a bound on what waits for a slow client.
final class VirtualConnection {
    let id: ConnectionID
    private(set) weak var loop: VirtualLoop?
    private unowned let world: World
    private let conversation: any TranslatingDialect
    private weak var peer: (any VirtualPeer)?
    /// How long the client takes for each text.
    var slowness: Duration = .zero
    private var isOpen = true
    private var isCongested = false
    private var waiting = 0
    private var lastDown = MonotonicTime.zero
    private var lastUp = MonotonicTime.zero

    /// A connection with more texts than this under way leaves the live stream.
    private static let limit = 32
    private static let delay: ClosedRange<Duration> = .microseconds(50)...(.milliseconds(2))

    init(id: ConnectionID, loop: VirtualLoop, world: World, peer: any VirtualPeer, node: Int) {
        self.id = id
        self.loop = loop
        self.world = world
        self.peer = peer
        // The native dialect never asks for the time: its events have their records'.
        let context = ConversationContext(node: "node-\(node)", cluster: "virtual") { WallTime(milliseconds: 0) }
        guard let door = DialectTable.door(atPath: "/live", query: ""),
            let conversation = door.open(context) as? any TranslatingDialect
        else { preconditionFailure("the native dialect has a door, and only translates") }
        self.conversation = conversation
    }

    /// The client sends a text.
    func send(_ text: String) {
        let arrival = max(lastUp, world.now + world.randomDuration(Self.delay))
        lastUp = arrival
        world.at(arrival) { [weak self] in
            guard let self, isOpen, let loop else { return }
            loop.receive(conversation.receive(Array(text.utf8)), from: id)
        }
    }

    /// The client goes away.
    func close() {
        guard isOpen else { return }
        isOpen = false
        loop?.closed(self)
    }

    func reply(_ reply: Reply, to reference: RequestReference) {
        for text in conversation.encode(reply, to: reference) { deliver(text) }
        let more = conversation.followUp()
        if !more.isEmpty { loop?.soon { $0.receive(more, from: self.id) } }
    }

    func notify(_ notice: Notice) {
        if let text = conversation.encode(notice) { deliver(text) }
    }

    func write(_ item: Sequenced) { deliver(conversation.encoding.encode(item)) }

    /// The process has ended: the client notices after what was under way.
    func breakOff() {
        isOpen = false
        let arrival = max(lastDown, world.now + world.randomDuration(Self.delay))
        world.at(arrival) { [weak self] in
            guard let self else { return }
            peer?.disconnected(from: self)
        }
    }

    private func deliver(_ text: [UInt8]) {
        guard isOpen else { return }
        let arrival = max(lastDown + slowness, world.now + world.randomDuration(Self.delay))
        lastDown = arrival
        waiting += 1
        if waiting > Self.limit, !isCongested {
            isCongested = true
            loop?.soon { $0.congested(self.id) }
        }
        world.at(arrival) { [weak self] in
            guard let self else { return }
            waiting -= 1
            if isCongested, waiting == 0, isOpen {
                isCongested = false
                loop?.drained(id)
            }
            peer?.received(text, on: self)
        }
    }
}
