/// What a node holds: the last position of every journal, {(origin, slot): position}.
package struct VersionVector: Equatable, Sendable {
    private var journals: [Origin: [UInt64]]

    package init() {
        journals = [:]
    }

    package subscript(origin: Origin, slot: Slot) -> UInt64 { journals[origin]?[Int(slot.index)] ?? 0 }

    /// Sets a journal's position when it is further than what is known.
    package mutating func advance(_ origin: Origin, _ slot: Slot, to position: UInt64) {
        guard position > 0 else { return }
        Self.raise(&journals[origin, default: Self.unknown][Int(slot.index)], to: position)
    }

    private static let unknown = [UInt64](repeating: 0, count: Slot.count)

    private static func raise(_ held: inout UInt64, to position: UInt64) {
        if held < position { held = position }
    }

    package mutating func merge(_ other: VersionVector) {
        for (origin, positions) in other.journals {
            for (index, position) in positions.enumerated() where position > 0 {
                advance(origin, Slot(index: UInt8(index))!, to: position)
            }
        }
    }

    /// Forgets an origin's journals.
    package mutating func remove(_ origin: Origin) { journals[origin] = nil }

    /// Every origin, in order.
    package var origins: [Origin] { journals.keys.sorted() }

    /// The positions of an origin's journals, indexed by slot; empty for an unknown origin.
    package func positions(of origin: Origin) -> [UInt64] { journals[origin] ?? [] }

    /// Every journal with a record, by origin, then slot.
    package var entries: [(origin: Origin, slot: Slot, position: UInt64)] {
        var entries: [(origin: Origin, slot: Slot, position: UInt64)] = []
        for origin in origins {
            for (index, position) in journals[origin]!.enumerated() where position > 0 {
                entries.append((origin, Slot(index: UInt8(index))!, position))
            }
        }
        return entries
    }

    /// One 64-bit hash per slot over the journals of the origins that `includes` accepts; independent of their order.
    package func digest(where includes: (Origin) -> Bool) -> [UInt64] {
        var hashes = [UInt64](repeating: 0, count: Slot.count)
        for (origin, positions) in journals where includes(origin) {
            for (index, position) in positions.enumerated() where position > 0 {
                var mixer = RandomSource(seed: origin.node.rawValue ^ origin.epoch.rawValue &* 0xD6E8_FEB8_6659_FD93 ^ position)
                hashes[index] &+= mixer.next() ^ mixer.next()
            }
        }
        return hashes
    }

    package func encode(into writer: inout ByteWriter) {
        writer.varint(UInt64(journals.count))
        for origin in origins {
            writer.u64(origin.node.rawValue)
            writer.u64(origin.epoch.rawValue)
            for position in journals[origin]! { writer.varint(position) }
        }
    }

    /// The most origins that one encoded vector may name.
    package static let maximumOrigins = 65_536

    package static func decode(from reader: inout ByteReader) throws(FormatError) -> VersionVector {
        var vector = VersionVector()
        for _ in 0..<(try reader.count(upTo: maximumOrigins)) {
            let origin = try reader.origin()
            for index in 0..<Slot.count { vector.advance(origin, Slot(index: UInt8(index))!, to: try reader.varint()) }
        }
        return vector
    }
}
