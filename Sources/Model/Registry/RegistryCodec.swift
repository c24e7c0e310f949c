extension TopicEntry {
    /// Appends the whole entry, for checkpoints and snapshots.
    package func encode(into writer: inout ByteWriter) {
        writer.string(name.text)
        writer.varint(UInt64(ended))
        writer.varint(UInt64(generations.count))
        for generation in generations {
            writer.varint(UInt64(generation.number))
            writer.u8((generation.creation == nil ? 0 : 1) | (generation.settings == nil ? 0 : 2))
            if let creation = generation.creation {
                creation.stamp.encode(into: &writer)
                writer.u8(creation.kind.rawValue)
                writer.u8(creation.durability.rawValue)
                writer.string(creation.owner)
                writer.varint(UInt64(creation.groups.count))
                for group in creation.groups { writer.string(group) }
            }
            if let settings = generation.settings {
                writer.varint(settings.revision)
                settings.stamp.encode(into: &writer)
                settings.value.encode(into: &writer)
            }
        }
    }

    package static func decode(from reader: inout ByteReader) throws(FormatError) -> TopicEntry {
        var entry = TopicEntry(name: try reader.topicName())
        let ended = UInt32(try reader.count(upTo: Int(UInt32.max)))
        var generations: [Generation] = []
        for _ in 0..<(try reader.count(upTo: 1_024)) {
            let number = UInt32(try reader.count(upTo: Int(UInt32.max)))
            let flags = try reader.u8()
            guard flags < 4, number > ended, number > generations.last?.number ?? 0 else { throw .invalid("topic generation") }
            let creation = flags & 1 == 0 ? nil : try Creation.decode(from: &reader)
            let settings = flags & 2 == 0 ? nil : try Settings.decode(from: &reader)
            generations.append(Generation(number: number, creation: creation, settings: settings))
        }
        entry.restore(ended: ended, generations: generations)
        return entry
    }
}

extension TopicEntry.Creation {
    fileprivate static func decode(from reader: inout ByteReader) throws(FormatError) -> Self {
        let stamp = try Stamp.decode(from: &reader)
        guard let kind = TopicDefinition.Kind(rawValue: try reader.u8()) else { throw .invalid("topic kind") }
        guard let durability = TopicDefinition.Durability(rawValue: try reader.u8()) else {
            throw .invalid("topic durability")
        }
        let owner = try reader.string()
        var groups: [String] = []
        for _ in 0..<(try reader.count(upTo: 1_024)) { groups.append(try reader.string()) }
        return Self(stamp: stamp, kind: kind, durability: durability, owner: owner, groups: groups)
    }
}

extension TopicEntry.Settings {
    fileprivate static func decode(from reader: inout ByteReader) throws(FormatError) -> Self {
        Self(
            revision: try reader.varint(), stamp: try Stamp.decode(from: &reader),
            value: try TopicSettings.decode(from: &reader))
    }
}

extension Stamp {
    package func encode(into writer: inout ByteWriter) {
        writer.u64(time.rawValue)
        writer.u64(origin.node.rawValue)
        writer.u64(origin.epoch.rawValue)
    }

    package static func decode(from reader: inout ByteReader) throws(FormatError) -> Stamp {
        Stamp(time: HybridTime(rawValue: try reader.u64()), origin: try reader.origin())
    }
}

extension Registry {
    /// Appends every entry and member, in order; and the removed ones and schedules, where the form has a place for them.
    package func encode(into writer: inout ByteWriter, withDepartures: Bool, withSchedules: Bool = false) {
        writer.varint(UInt64(entries.count))
        for entry in sortedEntries { entry.encode(into: &writer) }
        writer.varint(UInt64(members.count))
        for (node, member) in members.sorted(by: { $0.key < $1.key }) {
            writer.u64(node.rawValue)
            writer.string(member.name)
            member.stamp.encode(into: &writer)
        }
        guard withDepartures else { return }
        writer.varint(UInt64(departed.count))
        for (_, departure) in departed.sorted(by: { $0.key < $1.key }) {
            departure.record.encode(into: &writer)
            departure.stamp.encode(into: &writer)
        }
        guard withSchedules else { return }
        writer.varint(UInt64(schedules.count))
        for (id, entry) in schedules.sorted(by: { $0.key < $1.key }) {
            entry.retold(id: id).encode(into: &writer)
            entry.stamp.encode(into: &writer)
        }
    }

    package static func decode(
        from reader: inout ByteReader, withDepartures: Bool, withSchedules: Bool = false
    ) throws(FormatError) -> Registry {
        var registry = Registry()
        for _ in 0..<(try reader.count(upTo: reader.remaining)) {
            registry.merge(try TopicEntry.decode(from: &reader))
        }
        for _ in 0..<(try reader.count(upTo: reader.remaining)) {
            let node = NodeID(rawValue: try reader.u64())
            let member = MemberRecord(node: node, name: try reader.string())
            registry.merge(member, stamp: try Stamp.decode(from: &reader))
        }
        guard withDepartures else { return registry }
        for _ in 0..<(try reader.count(upTo: reader.remaining)) {
            let departure = try DepartureRecord.decode(from: &reader)
            registry.merge(departure, stamp: try Stamp.decode(from: &reader))
        }
        guard withSchedules else { return registry }
        for _ in 0..<(try reader.count(upTo: reader.remaining)) {
            let change = try ScheduleChange.decode(from: &reader)
            registry.merge(change, stamp: try Stamp.decode(from: &reader))
        }
        return registry
    }
}
