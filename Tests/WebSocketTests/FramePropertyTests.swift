import Model
import Testing
import WebSocket

@Suite("Frames under random input")
struct FramePropertyTests {
    @Test("bring the same events wherever reads cut the stream", arguments: 0..<6 as Range<UInt64>)
    func splits(seed: UInt64) {
        var random = RandomSource(seed: seed)
        for round in 0..<40 {
            let role: Role = Bool.random(using: &random) ? .server : .client
            let (bytes, events) = conversation(&random, for: role)
            #expect(outcome(of: bytes, for: role) == Outcome(events: events), "seed \(seed), round \(round), whole")
            let cut = outcome(of: bytes, for: role, cutBy: &random)
            #expect(cut == Outcome(events: events), "seed \(seed), round \(round), cut")
        }
    }

    @Test("bring the same violation wherever reads cut the stream", arguments: 100..<108 as Range<UInt64>)
    func mutated(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var violations = 0
        for round in 0..<150 {
            let role: Role = Bool.random(using: &random) ? .server : .client
            var (bytes, _) = conversation(&random, for: role)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            }
            let whole = outcome(of: bytes, for: role, limit: 600)
            let cut = outcome(of: bytes, for: role, limit: 600, cutBy: &random)
            #expect(whole == cut, "seed \(seed), round \(round)")
            if whole.violation != nil { violations += 1 }
        }
        #expect(violations > 20, "seed \(seed): mutations hardly ever break the stream, so they test nothing")
    }

    @Test("never crash nor keep more than the limits, whatever comes", arguments: 200..<208 as Range<UInt64>)
    func noise(seed: UInt64) {
        var random = RandomSource(seed: seed)
        for _ in 0..<400 {
            var (bytes, _) = conversation(&random, for: .server)
            if Bool.random(using: &random) {
                bytes = (0..<200).map { _ in UInt8.random(in: 0...255, using: &random) }
            } else {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            ([UInt8.random(in: 0...255, using: &random)] + bytes).withUnsafeBytes { fuzzWebSocket($0) }
        }
    }

    /// Valid frames of the peer of `role`, and the events that they bring.
    private func conversation(_ random: inout RandomSource, for role: Role) -> ([UInt8], [MessageEvent]) {
        var bytes: [UInt8] = []
        var events: [MessageEvent] = []
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let isText = Bool.random(using: &random)
            let payload =
                isText
                ? randomText(&random)
                : (0..<Int.random(in: 0...300, using: &random)).map { UInt8(truncatingIfNeeded: $0 &* 37) }
            var rest = payload[...]
            var opcode = isText ? Opcode.text : .binary
            while Int.random(in: 0..<3, using: &random) == 0 {
                let piece = rest.prefix(Int.random(in: 0...rest.count, using: &random))
                rest = rest.dropFirst(piece.count)
                FrameEncoder.frame(opcode, isFinal: false, piece, mask: mask(&random, for: role), into: &bytes)
                opcode = .continuation
                let ping = Array("ping".utf8.prefix(Int.random(in: 0...4, using: &random)))
                FrameEncoder.ping(ping, mask: mask(&random, for: role), into: &bytes)
                events.append(.ping(ping))
            }
            FrameEncoder.frame(opcode, rest, mask: mask(&random, for: role), into: &bytes)
            events.append(isText ? .text(payload) : .binary(payload))
        }
        return (bytes, events)
    }

    private func mask(_ random: inout RandomSource, for role: Role) -> MaskingKey? {
        switch role {
        case .server: MaskingKey(word: UInt32(truncatingIfNeeded: random.next()))
        case .client: nil
        }
    }

    private func randomText(_ random: inout RandomSource) -> [UInt8] {
        let pieces = ["a", "text", "é", "漢", "😀", "a longer run of plain text"]
        return (0..<Int.random(in: 0...20, using: &random)).flatMap { _ in
            Array((pieces.randomElement(using: &random) ?? "").utf8)
        }
    }
}
