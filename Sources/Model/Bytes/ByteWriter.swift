/// Appends numbers, strings and bytes in the form that every format of ours on the wire and on disk uses.
///
/// Integers are big-endian; `varint` is LEB128 (7 bits a byte, least significant first); strings and byte runs carry
/// their length as a varint before them.
package struct ByteWriter {
    package private(set) var bytes: [UInt8]

    package init(reservingCapacity capacity: Int = 64) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    package mutating func u8(_ value: UInt8) { bytes.append(value) }

    package mutating func u16(_ value: UInt16) { fixed(value) }

    package mutating func u32(_ value: UInt32) { fixed(value) }

    package mutating func u64(_ value: UInt64) { fixed(value) }

    package mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    package mutating func string(_ value: String) {
        var value = value
        value.withUTF8 { run($0) }
    }

    /// A byte run with its length.
    package mutating func run(_ value: some Collection<UInt8>) {
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// Bytes as they are, without a length.
    package mutating func raw(_ value: some Sequence<UInt8>) { bytes.append(contentsOf: value) }

    private mutating func fixed(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
