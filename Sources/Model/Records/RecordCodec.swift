extension Record {
    /// The version of the record format; it leads every encoded record.
    package static let formatVersion: UInt8 = 1

    /// Appends the record's one form, on disk as on the wire: version, kind, origin, epoch, slot, position, time, seen,
    /// body.
    package func encode(into writer: inout ByteWriter) {
        writer.u8(Record.formatVersion)
        writer.u8(body.kind)
        writer.u64(origin.node.rawValue)
        writer.u64(origin.epoch.rawValue)
        writer.u8(slot.index)
        writer.varint(position)
        writer.u64(time.rawValue)
        writer.varint(seen)
        switch body {
        case .message(let message): message.encode(into: &writer)
        case .topic(let change): change.encode(into: &writer)
        case .member(let member):
            writer.u64(member.node.rawValue)
            writer.string(member.name)
        case .departure(let departure): departure.encode(into: &writer)
        case .schedule(let change): change.encode(into: &writer)
        }
    }

    /// Reads back one record; throws where a field is missing, too long or not what it may be.
    package static func decode(from reader: inout ByteReader) throws(FormatError) -> Record {
        let version = try reader.u8()
        guard version == formatVersion else { throw .unknownVersion(found: version, known: formatVersion) }
        let kind = try reader.u8()
        let origin = try reader.origin()
        guard let slot = Slot(index: try reader.u8()) else { throw .invalid("slot") }
        let position = try reader.varint()
        let time = HybridTime(rawValue: try reader.u64())
        let seen = try reader.varint()
        let body: Body
        switch kind {
        case 1: body = .message(try Message.decode(from: &reader))
        case 2: body = .topic(try TopicChange.decode(from: &reader))
        case 3: body = .member(MemberRecord(node: NodeID(rawValue: try reader.u64()), name: try reader.string()))
        case 4: body = .departure(try DepartureRecord.decode(from: &reader))
        case 7: body = .schedule(try ScheduleChange.decode(from: &reader))
        default: throw .invalid("record kind \(kind)")
        }
        return Record(origin: origin, slot: slot, position: position, time: time, seen: seen, body: body)
    }
}

extension Record.Body {
    fileprivate var kind: UInt8 {
        switch self {
        case .message: 1
        case .topic: 2
        case .member: 3
        case .departure: 4
        case .schedule: 7
        }
    }
}

extension Message {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.string(topic.text)
        writer.varint(UInt64(generation))
        writer.varint(offset)
        writer.string(event)
        writer.u8((key == nil ? 0 : 1) | (messageID == nil ? 0 : 2) | (expiry == nil ? 0 : 4) | (row == nil ? 0 : 8))
        if let key { writer.string(key) }
        if let messageID { writer.string(messageID) }
        if let expiry { writer.u64(UInt64(bitPattern: expiry.milliseconds)) }
        writer.string(publisher)
        writer.string(source)
        writer.run(payload)
        row?.encode(into: &writer)
    }

    fileprivate static func decode(from reader: inout ByteReader) throws(FormatError) -> Message {
        let topic = try reader.topicName()
        let generation = UInt32(try reader.count(upTo: Int(UInt32.max)))
        let offset = try reader.varint()
        let event = try reader.string()
        let flags = try reader.u8()
        guard flags < 16 else { throw .invalid("message flags") }
        guard flags & 9 != 8 else { throw .invalid("row without a key") }
        let key: String? = flags & 1 == 0 ? nil : try reader.string()
        let messageID: String? = flags & 2 == 0 ? nil : try reader.string()
        let expiry: WallTime? = flags & 4 == 0 ? nil : WallTime(milliseconds: Int64(bitPattern: try reader.u64()))
        return Message(
            topic: topic, generation: generation, offset: offset, event: event, key: key, publisher: try reader.string(),
            source: try reader.string(), messageID: messageID, expiry: expiry, payload: Array(try reader.run()),
            row: flags & 8 == 0 ? nil : try RowVersion.decode(from: &reader))
    }
}

extension TopicChange {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .created(let name, let generation, let kind, let durability, let owner, let groups, let settings):
            writer.u8(1)
            writer.string(name.text)
            writer.varint(UInt64(generation))
            writer.u8(kind.rawValue)
            writer.u8(durability.rawValue)
            writer.string(owner)
            writer.varint(UInt64(groups.count))
            for group in groups { writer.string(group) }
            settings.encode(into: &writer)
        case .changed(let name, let generation, let revision, let settings):
            writer.u8(2)
            writer.string(name.text)
            writer.varint(UInt64(generation))
            writer.varint(revision)
            settings.encode(into: &writer)
        case .destroyed(let name, let generation):
            writer.u8(3)
            writer.string(name.text)
            writer.varint(UInt64(generation))
        }
    }

    fileprivate static func decode(from reader: inout ByteReader) throws(FormatError) -> TopicChange {
        let action = try reader.u8()
        let name = try reader.topicName()
        let generation = UInt32(try reader.count(upTo: Int(UInt32.max)))
        switch action {
        case 1:
            guard let kind = TopicDefinition.Kind(rawValue: try reader.u8()) else { throw .invalid("topic kind") }
            guard let durability = TopicDefinition.Durability(rawValue: try reader.u8()) else {
                throw .invalid("topic durability")
            }
            let owner = try reader.string()
            var groups: [String] = []
            for _ in 0..<(try reader.count(upTo: 1_024)) { groups.append(try reader.string()) }
            return .created(
                name, generation: generation, kind: kind, durability: durability, owner: owner, groups: groups,
                settings: try TopicSettings.decode(from: &reader))
        case 2:
            let revision = try reader.varint()
            guard revision < 1 << 62 else { throw .invalid("topic revision") }
            return .changed(
                name, generation: generation, revision: revision, settings: try TopicSettings.decode(from: &reader))
        case 3: return .destroyed(name, generation: generation)
        default: throw .invalid("topic change \(action)")
        }
    }
}

extension DepartureRecord {
    func encode(into writer: inout ByteWriter) {
        writer.u64(node.rawValue)
        writer.string(name)
        writer.string(user)
    }

    static func decode(from reader: inout ByteReader) throws(FormatError) -> DepartureRecord {
        DepartureRecord(node: NodeID(rawValue: try reader.u64()), name: try reader.string(), user: try reader.string())
    }
}

extension TopicSettings {
    /// Appends retention (0 for no limit, else the limit plus 1) and mask.
    package func encode(into writer: inout ByteWriter) {
        for limit in [retention.messages, retention.bytes, retention.seconds] { writer.varint(limit.map { $0 &+ 1 } ?? 0) }
        writer.u32(permission.rawValue)
    }

    package static func decode(from reader: inout ByteReader) throws(FormatError) -> TopicSettings {
        func limit(_ raw: UInt64) -> UInt64? { raw == 0 ? nil : raw - 1 }
        let retention = Retention(
            messages: limit(try reader.varint()), bytes: limit(try reader.varint()), seconds: limit(try reader.varint()))
        guard let mask = PermissionMask(rawValue: try reader.u32()) else { throw .invalid("permission mask") }
        return TopicSettings(retention: retention, permission: mask)
    }
}

extension ByteReader {
    /// A node and an epoch, 16 bytes.
    package mutating func origin() throws(FormatError) -> Origin {
        Origin(node: NodeID(rawValue: try u64()), epoch: Epoch(rawValue: try u64()))
    }

    /// A topic's name, checked.
    package mutating func topicName() throws(FormatError) -> TopicName {
        let text = try string()
        do { return try TopicName(text) } catch { throw .invalid("topic name") }
    }
}
