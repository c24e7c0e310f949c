import Model

/// Fills one packet: what it says first, then as much news as fits.
struct GossipPacketWriter {
    private var head: ByteWriter
    private var news = ByteWriter(reservingCapacity: GossipPacket.maximumBytes)
    private var count: UInt8 = 0

    /// Begins a packet; `digest` is written if its kind carries one.
    init(from sender: GossipPacket.Sender, _ body: GossipPacket.Body, digest: [UInt8] = []) {
        head = ByteWriter(reservingCapacity: GossipPacket.maximumBytes)
        head.u8(GossipPacket.version)
        head.u8(body.kind)
        head.run(sender.run)
        head.varint(sender.incarnation)
        head.u8(sender.state.rawValue)
        switch body {
        case .ping(let sequence), .acknowledgement(let sequence):
            head.u32(sequence)
            head.run(digest)
        case .nack(let sequence):
            head.u32(sequence)
        case .pingRequest(let sequence, let target, let boot):
            head.u32(sequence)
            head.u64(target.rawValue)
            head.u64(boot.high)
            head.u64(boot.low)
        case .gossip:
            break
        case .sync(let wantsReply):
            head.u8(wantsReply ? 1 : 0)
        case .refused(let run, let owner):
            head.run(run)
            head.run(owner)
        case .removed(let run):
            head.run(run)
        }
    }

    /// Adds news; false, and the packet unchanged, when it does not fit any more.
    mutating func append(_ update: MemberUpdate) -> Bool {
        var writer = ByteWriter(reservingCapacity: 128)
        update.write(to: &writer)
        guard count < .max, head.bytes.count + 1 + news.bytes.count + writer.bytes.count <= GossipPacket.maximumBytes
        else {
            return false
        }
        news.raw(writer.bytes)
        count += 1
        return true
    }

    /// The finished packet.
    func finish() -> [UInt8] {
        var whole = head
        whole.u8(count)
        whole.raw(news.bytes)
        return whole.bytes
    }
}

extension GossipPacket {
    /// Reads a whole packet.
    /// - Throws: ``FormatError`` when it is of another version, too long, cut short, or holds what a field may not.
    init(reading bytes: ArraySlice<UInt8>) throws(FormatError) {
        guard bytes.count <= Self.maximumBytes else { throw .invalid("packet length") }
        var reader = ByteReader(bytes)
        let version = try reader.u8()
        guard version == Self.version else { throw .unknownVersion(found: version, known: Self.version) }
        let kind = try reader.u8()
        sender = Sender(run: try reader.memberRun(), incarnation: try reader.incarnation(), state: try reader.state())
        guard sender.state != .suspect, sender.state != .dead else { throw .invalid("state of the sender") }
        body = try Body(kind: kind, reading: &reader)
        switch body {
        case .ping, .acknowledgement:
            let bytes = try reader.run()
            guard bytes.count <= Self.maximumDigestBytes else { throw .invalid("digest") }
            digest = Array(bytes)
        case .nack, .pingRequest, .gossip, .sync, .refused, .removed:
            break
        }
        for _ in 0..<(try reader.u8()) { updates.append(try MemberUpdate(reading: &reader)) }
        try reader.finish()
    }
}

extension GossipPacket.Body {
    /// The byte that names the kind.
    var kind: UInt8 {
        switch self {
        case .ping: 1
        case .acknowledgement: 2
        case .nack: 3
        case .pingRequest: 4
        case .gossip: 5
        case .sync: 6
        case .refused: 7
        case .removed: 8
        }
    }

    /// Reads the fields of a kind.
    init(kind: UInt8, reading reader: inout ByteReader) throws(FormatError) {
        switch kind {
        case 1: self = .ping(try reader.u32())
        case 2: self = .acknowledgement(try reader.u32())
        case 3: self = .nack(try reader.u32())
        case 4: self = .pingRequest(try reader.u32(), target: try reader.nodeID(), boot: try reader.boot())
        case 5: self = .gossip
        case 6:
            let flag = try reader.u8()
            guard flag <= 1 else { throw .invalid("sync flag") }
            self = .sync(wantsReply: flag == 1)
        case 7: self = .refused(try reader.memberRun(), owner: try reader.memberRun())
        case 8: self = .removed(try reader.memberRun())
        default: throw .invalid("packet kind")
        }
    }
}
