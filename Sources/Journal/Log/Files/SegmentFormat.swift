import Model

/// A place in the log: a segment, by the first sequence that its name says, and a length in bytes.
package struct LogPlace: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let segment: UInt64
    package let length: Int

    package init(segment: UInt64, length: Int) {
        self.segment = segment
        self.length = length
    }

    /// Before everything.
    package static let start = LogPlace(segment: 0, length: 0)

    package static func < (left: LogPlace, right: LogPlace) -> Bool {
        (left.segment, left.length) < (right.segment, right.length)
    }

    package var description: String { "\(SegmentFormat.name(of: segment)) at byte \(length)" }
}

/// The form of a segment: a header of 32 bytes (magic, version, CRC of both; where the segment before it ended, CRC of
/// that), then batches. A segment that was written anew says instead of a place before it the number 2⁶⁴ − 1 and its own
/// length.
///
/// A batch is a header of 36 bytes (magic, length of what follows, number of records, first sequence, the place known
/// durable when it was written, CRC of all that) and frames. A frame is its payload's length, the CRC of length and
/// payload, and the payload: the local sequence (8 bytes) and the encoded record. Integers are big-endian.
enum SegmentFormat {
    static let version: UInt8 = 1
    static let headerSize = 32
    static let batchHeaderSize = 36
    static let frameHeaderSize = 8
    static let sequenceSize = 8
    private static let magic: [UInt8] = Array("ROOSTLOG".utf8)
    static let batchMagic: UInt32 = 0x5242_5431

    static func name(of firstSequence: UInt64) -> String { "log-\(hexadecimal(firstSequence, digits: 16)).roost" }

    /// The first sequence that a segment's name says; nil for other files.
    static func firstSequence(in name: String) -> UInt64? {
        guard name.hasPrefix("log-"), name.hasSuffix(".roost"), name.utf8.count == 26 else { return nil }
        return UInt64(name.dropFirst(4).dropLast(6), radix: 16)
    }

    /// The header of a segment that goes on where the log ended at `previous`.
    static func header(after previous: LogPlace) -> [UInt8] {
        var header = magic
        header.append(integer: UInt32(version))
        header.append(integer: CRC32C.checksum(header))
        var place: [UInt8] = []
        place.append(integer: previous.segment)
        place.append(integer: UInt32(previous.length))
        return header + place + checksum(of: place)
    }

    /// The header of a segment that was written anew and is so long in all: it names no segment before it.
    static func header(ofLength length: Int) -> [UInt8] {
        header(after: LogPlace(segment: .max, length: length))
    }

    private static func checksum(of bytes: [UInt8]) -> [UInt8] {
        var checksum: [UInt8] = []
        checksum.append(integer: CRC32C.checksum(bytes))
        return checksum
    }

    /// What the first bytes of a segment are.
    enum HeaderVerdict: Equatable {
        case valid(after: LogPlace)
        /// Too short or damaged.
        case damaged
        case unknownVersion(UInt8)
    }

    static func verdict(onHeader bytes: [UInt8]) -> HeaderVerdict {
        guard bytes.count >= headerSize, Array(bytes[..<8]) == magic else { return .damaged }
        guard Array(bytes[12..<16]) == checksum(of: Array(bytes[..<12])) else { return .damaged }
        return bytes.withUnsafeBytes { raw in
            let found = raw.integer(at: 8, as: UInt32.self)
            guard found == UInt32(version) else { return .unknownVersion(UInt8(clamping: found)) }
            guard Array(bytes[28..<32]) == checksum(of: Array(bytes[16..<28])) else { return .damaged }
            return .valid(
                after: LogPlace(
                    segment: raw.integer(at: 16, as: UInt64.self), length: Int(raw.integer(at: 24, as: UInt32.self))))
        }
    }

    /// A batch's header.
    struct BatchHeader: Equatable {
        let bodyLength: Int
        let count: Int
        let firstSequence: UInt64
        let durable: LogPlace

        var totalLength: Int { SegmentFormat.batchHeaderSize + bodyLength }
    }

    /// Reads a batch's header; nil where there is none whole and undamaged.
    static func batchHeader(in bytes: UnsafeRawBufferPointer, at position: Int) -> BatchHeader? {
        guard position + batchHeaderSize <= bytes.count, bytes.integer(at: position, as: UInt32.self) == batchMagic
        else {
            return nil
        }
        let covered = UnsafeRawBufferPointer(rebasing: bytes[position..<position + 32])
        guard CRC32C.checksum(covered) == bytes.integer(at: position + 32, as: UInt32.self) else { return nil }
        return BatchHeader(
            bodyLength: Int(bytes.integer(at: position + 4, as: UInt32.self)),
            count: Int(bytes.integer(at: position + 8, as: UInt32.self)),
            firstSequence: bytes.integer(at: position + 12, as: UInt64.self),
            durable: LogPlace(
                segment: bytes.integer(at: position + 20, as: UInt64.self),
                length: Int(bytes.integer(at: position + 28, as: UInt32.self))))
    }
}

extension UnsafeRawBufferPointer {
    /// A big-endian integer.
    func integer<Value: FixedWidthInteger>(at offset: Int, as type: Value.Type) -> Value {
        Value(bigEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
}

extension [UInt8] {
    /// Appends a big-endian integer.
    mutating func append(integer: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: integer.bigEndian) { append(contentsOf: $0) }
    }
}
