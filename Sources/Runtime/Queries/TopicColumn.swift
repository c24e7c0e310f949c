import Broker
import Dialects
import JSON
import Model

/// One message as a row.
struct MessageRow {
    let time: HybridTime
    let offset: UInt64
    let partition: Partition
    let payload: [UInt8]
    let key: [UInt8]?
    let event: [UInt8]
    let user: [UInt8]
}

/// What a column of a topic's table is of the message.
enum TopicColumn: Equatable {
    case key, value, offset, partition, timestamp, user, event, keySize, valueSize
    /// A field of the message, by its path.
    case field([String])
    /// A field of a key that is JSON itself.
    case keyField([String])

    /// The columns that every topic has; the last two only by their name.
    static let common: [(name: String, column: TopicColumn)] = [
        ("_key", .key), ("_value", .value), ("_offset", .offset), ("_partition", .partition),
        ("_timestamp", .timestamp), ("_user", .user), ("_event", .event), ("__keysize", .keySize),
        ("__valuesize", .valueSize),
    ]

    /// The column that a path means.
    init(path: String) {
        let levels = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        switch levels[0] {
        case "_key" where levels.count > 1: self = .keyField(Array(levels.dropFirst()))
        case "_value" where levels.count > 1: self = .field(Array(levels.dropFirst()))
        default: self = .field(levels)
        }
    }
}

/// A value as SQLite is given it, without a copy.
enum ColumnValue {
    case null
    case integer(Int64)
    case real(Double)
    case text(ArraySlice<UInt8>)
    /// An object or an array, as text.
    case json(ArraySlice<UInt8>)

    init(_ view: JSONView?) {
        guard let view else {
            self = .null
            return
        }
        switch view.kind {
        case .null: self = .null
        case .bool: self = .integer(view.bool == true ? 1 : 0)
        case .string: self = .text(view.stringBytes ?? [])
        case .object, .array: self = .json(view.bytes)
        case .number:
            if let integer = view.integer { self = .integer(integer) } else { self = .real(view.double ?? .infinity) }
        }
    }

    init(_ text: String) { self = .text(Array(text.utf8)[...]) }

    /// The same for any two values that SQLite may find equal, whatever their types; nil for NULL, which equals nothing.
    var hash: Int? {
        switch self {
        case .null: return nil
        case .integer(let integer): return Self.hash(of: Double(integer))
        case .real(let real): return Self.hash(of: real)
        case .text(let bytes), .json(let bytes):
            if let first = bytes.first, first <= UInt8(ascii: "9"),
                let number = Double(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace })
            {
                return Self.hash(of: number)
            }
            var hasher = Hasher()
            bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
            return hasher.finalize()
        }
    }

    private static func hash(of number: Double) -> Int {
        var hasher = Hasher()
        hasher.combine(number == 0 ? 0 : number)
        return hasher.finalize()
    }
}

extension MessageRow {
    /// The value of a column.
    ///
    /// - Parameters:
    ///   - parsed: the message, once it was read; nil inside where it is no JSON.
    ///   - numbersPartitions: whether a partition is a number and not its name.
    func value(of column: TopicColumn, parsed: inout JSONView??, numbersPartitions: Bool) -> ColumnValue {
        switch column {
        case .key: key.map { ColumnValue.text($0[...]) } ?? .null
        case .value: .text(payload[...])
        case .offset: .integer(Int64(clamping: offset))
        case .partition: numbersPartitions ? .integer(partition.number) : ColumnValue(partition.description)
        case .timestamp: ColumnValue(Timestamp.text(time.wall))
        case .user: user.isEmpty ? .null : .text(user[...])
        case .event: .text(event[...])
        case .keySize: .integer(Int64(key?.count ?? 0))
        case .valueSize: .integer(Int64(payload.count))
        case .field(let path): ColumnValue(Self.find(path, in: message(&parsed)))
        case .keyField(let path): ColumnValue(Self.find(path, in: key.flatMap { try? JSONView(parsing: $0) }))
        }
    }

    private func message(_ parsed: inout JSONView??) -> JSONView? {
        if let known = parsed { return known }
        let view = try? JSONView(parsing: payload)
        parsed = .some(view)
        return view
    }

    private static func find(_ path: [String], in view: JSONView?) -> JSONView? {
        var found = view
        for level in path {
            guard let view = found else { return nil }
            if view.kind == .array {
                let elements = view.elements()
                found = Int(level).flatMap { elements.indices.contains($0) ? elements[$0] : nil }
            } else {
                found = view[level]
            }
        }
        return found
    }
}

extension Partition {
    /// The first 31 bits of a hash of its name: FNV-1a of 64 bits (draft-eastlake-fnv).
    var number: Int64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in description.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return Int64(hash >> 33)
    }
}
