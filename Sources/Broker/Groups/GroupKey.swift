import Model

/// A queue group: subscribers of a topic of which each message goes to one.
///
/// Members that acknowledge and members that do not are two groups, even of one name.
package struct GroupKey: Hashable, Comparable, Sendable {
    package let topic: TopicName
    package let name: String
    package let acknowledges: Bool

    package init(topic: TopicName, name: String, acknowledges: Bool) {
        self.topic = topic
        self.name = name
        self.acknowledges = acknowledges
    }

    /// FNV-1a (64 bits) over topic, name and kind, the same on every node.
    var hash64: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func take(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        for byte in topic.text.utf8 { take(byte) }
        take(acknowledges ? 1 : 0)
        for byte in name.utf8 { take(byte) }
        return hash
    }

    /// The event loop of a node that gives the group's messages out there.
    func loop(of loops: Int) -> Int { Int(hash64 % UInt64(max(1, loops))) }

    /// How much a node is to give out what an ended origin has left; the living one with most does.
    func weight(of node: NodeID, for origin: Origin) -> UInt64 {
        // The finaliser of SplitMix64: any bit of the three changes half of the weight's.
        var mixed = hash64 ^ node.rawValue &* 0x9E37_79B9_7F4A_7C15 ^ origin.node.rawValue ^ origin.epoch.rawValue << 1
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    package static func < (left: GroupKey, right: GroupKey) -> Bool {
        (left.topic, left.name, left.acknowledges ? 1 : 0) < (right.topic, right.name, right.acknowledges ? 1 : 0)
    }
}

/// A member of a group, wherever it is attached.
struct Worker {
    let station: Station
    /// How long it has to acknowledge a message.
    var patience: Duration
    /// How many messages it has and has not settled, and their bytes.
    var load = 0
    var bytes = 0
    /// It turned something down: until then it is given nothing.
    var pausedUntil = MonotonicTime.zero

    init(station: Station, patience: Duration) {
        self.station = station
        self.patience = patience
    }
}

/// What a member of a group announces of itself.
struct WorkerAnnouncement {
    let key: GroupKey
    let station: Station
    let patience: Duration

    init(key: GroupKey, station: Station, patience: Duration) {
        self.key = key
        self.station = station
        self.patience = patience
    }

    /// Reads what a node announced; nil for what no member announces.
    init?(_ event: PresenceEvent) {
        var reader = ByteReader(event.entry.state)
        do throws(FormatError) {
            let (loop, connection) = (try reader.count(upTo: Station.loopLimit), try reader.connection())
            station = Station(
                node: event.nodeID, loop: loop, connection: connection, session: event.key.connection)
            let flags = try reader.u8()
            guard flags <= 1 else { return nil }
            patience = .milliseconds(try reader.count(upTo: Int(Int32.max)))
            key = GroupKey(topic: event.key.place.topic, name: try reader.string(), acknowledges: flags == 1)
            try reader.finish()
        } catch {
            return nil
        }
    }

    var encoded: [UInt8] {
        var writer = ByteWriter(reservingCapacity: 32)
        writer.varint(UInt64(station.loop))
        writer.connection(station.connection)
        writer.u8(key.acknowledges ? 1 : 0)
        writer.varint(UInt64(clamping: patience.milliseconds))
        writer.string(key.name)
        return writer.bytes
    }
}

/// A message that was given to a member of a group: the number that the giving event loop knows it by.
package struct WorkID: Hashable, Sendable {
    package let origin: Origin
    package let loop: Int
    package let number: UInt64
}

/// A message on its way to one member of a group.
package struct WorkErrand: Sendable {
    package let id: WorkID
    package let connection: ConnectionID
    package let session: String
    package let key: GroupKey
    /// Which time it is given out, from 1.
    package let attempt: Int
    package let item: Sequenced
}

/// A message that a member of a group is given.
package struct WorkNotice: Sendable {
    package let item: Sequenced
    package let group: String
    package let attempt: Int
    /// What this connection, and no other, acknowledges it by; nil where it need not.
    package let acknowledgementID: UInt64?

    package init(item: Sequenced, group: String, attempt: Int, acknowledgementID: UInt64?) {
        self.item = item
        self.group = group
        self.attempt = attempt
        self.acknowledgementID = acknowledgementID
    }
}
