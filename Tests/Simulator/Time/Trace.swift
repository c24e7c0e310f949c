import Model

/// What happened in a run: a hash over all of it, and the newest lines.
package struct Trace {
    private struct Line {
        let at: MonotonicTime
        let node: Int
        let what: StaticString
        let detail: UInt64
    }

    /// How many of the newest lines are kept.
    package static let keptLines = 400

    /// A hash over everything that was noted; two runs with equal hashes were the same.
    package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    /// How many lines were noted and shown.
    package private(set) var count = 0
    private var lines: [Line] = []

    package init() {}

    /// Notes that something happened on a node; -1 is the world. What is not shown only counts for the hash.
    package mutating func note(
        _ what: StaticString, node: Int, _ detail: UInt64 = 0, at time: MonotonicTime, isShown: Bool = true
    ) {
        mix(UInt64(bitPattern: time.nanoseconds))
        mix(UInt64(bitPattern: Int64(node)))
        mix(detail)
        what.withUTF8Buffer { for byte in $0 { mix(UInt64(byte)) } }
        guard isShown else { return }
        count += 1
        let line = Line(at: time, node: node, what: what, detail: detail)
        if lines.count < Self.keptLines { lines.append(line) } else { lines[(count - 1) % Self.keptLines] = line }
    }

    private mutating func mix(_ value: UInt64) { hash = (hash ^ value) &* 0x0000_0100_0000_01B3 }

    /// The newest lines, oldest first.
    package func newest(_ limit: Int) -> [String] {
        let start = count <= Self.keptLines ? 0 : count % Self.keptLines
        let ordered = lines[start...] + lines[..<start]
        return ordered.suffix(limit).map { line in
            let milliseconds = Double(line.at.nanoseconds / 1_000) / 1_000
            return "\(milliseconds) ms  node \(line.node)  \(line.what) \(line.detail)"
        }
    }
}
