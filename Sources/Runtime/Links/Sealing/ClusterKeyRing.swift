/// The secrets that make a cluster one: up to three keys, of which the first seals and all open.
///
/// To rotate: add the new key as the last line on every node, then move it to the first, then remove the old one. So
/// the order may differ between nodes at any time, and a key is named on the wire by an index derived from itself.
package struct ClusterKeyRing: Sendable, CustomStringConvertible {
    /// The length of a key, in bytes.
    package static let keyLength = 32
    /// The most keys a ring holds.
    package static let maximumKeys = 3

    /// One key of the ring.
    package struct Key: Sendable, Equatable, CustomStringConvertible {
        /// The 32 secret bytes.
        package let bytes: [UInt8]
        /// One byte that names the key on the wire. Two keys may share it; an opener then tries both.
        package let index: UInt8

        fileprivate init(_ bytes: [UInt8]) {
            self.bytes = bytes
            index = hkdfSHA256(key: bytes, salt: [], info: Array("roost 1 key index".utf8), count: 1)[0]
        }

        package var description: String { "a cluster key" }
    }

    /// The keys, the active one first; never empty.
    package let keys: [Key]

    /// The key that seals.
    package var active: Key { keys[0] }

    /// A ring of `keys`, the active one first.
    package init(_ keys: [[UInt8]]) throws(ClusterKeyError) {
        guard !keys.isEmpty else { throw .empty }
        guard keys.count <= Self.maximumKeys else { throw .tooMany }
        for (offset, key) in keys.enumerated() {
            guard key.count == Self.keyLength else { throw .wrongLength(key: offset + 1, bytes: key.count) }
            guard !keys[..<offset].contains(key) else { throw .repeated(key: offset + 1) }
        }
        self.keys = keys.map(Key.init)
    }

    /// Reads a key file: a key a line as 64 hexadecimal digits or in base64; blank lines and those that begin with `#`
    /// are passed over.
    package init(parsing text: String) throws(ClusterKeyError) {
        var keys: [[UInt8]] = []
        for (offset, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let word = line.drop(while: \.isWhitespace)
            guard let first = word.first, first != "#" else { continue }
            let end = word.lastIndex { !$0.isWhitespace } ?? word.startIndex
            guard let key = keyBytes(word[...end]) else { throw .malformed(line: offset + 1) }
            keys.append(key)
        }
        try self.init(keys)
    }

    /// A ring of one key drawn from the system.
    package static func random() -> ClusterKeyRing {
        var source = SystemRandomNumberGenerator()
        let bytes = (0..<keyLength).map { _ in UInt8.random(in: .min ... .max, using: &source) }
        do {
            return try ClusterKeyRing([bytes])
        } catch {
            preconditionFailure("a ring of one key of the right length is valid")
        }
    }

    /// The ring as a key file, hexadecimal, for writing it to the data directory. Holds the secrets.
    package var fileText: String {
        keys.map { $0.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\n" }.joined()
    }

    package var description: String { "a ring of \(keys.count) cluster keys" }
}

/// Why a key file is refused.
package enum ClusterKeyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No key at all.
    case empty
    /// More than three.
    case tooMany
    /// The line, counted from 1, is neither 64 hexadecimal digits nor base64.
    case malformed(line: Int)
    /// The key, counted from 1, is not of 32 bytes.
    case wrongLength(key: Int, bytes: Int)
    /// The key, counted from 1, is an earlier one again.
    case repeated(key: Int)

    package var description: String {
        switch self {
        case .empty: "there is no cluster key"
        case .tooMany: "there are more than \(ClusterKeyRing.maximumKeys) cluster keys"
        case .malformed(let line): "line \(line) is neither 64 hexadecimal digits nor base64"
        case .wrongLength(let key, let bytes): "cluster key \(key) has \(bytes) bytes, not \(ClusterKeyRing.keyLength)"
        case .repeated(let key): "cluster key \(key) is there twice"
        }
    }
}
