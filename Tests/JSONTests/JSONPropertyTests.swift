import JSON
import Model
import Testing

@Suite("JSON under random input")
struct JSONPropertyTests {
    @Test("reads back what was generated, and its parts, for any seed", arguments: 0..<8 as Range<UInt64>)
    func generated(seed: UInt64) {
        var random = RandomSource(seed: seed)
        for round in 0..<250 {
            let text = randomValue(&random, depth: 0)
            let isAccepted = Array(text.utf8).withUnsafeBytes { fuzzJSON($0) }
            #expect(isAccepted, "seed \(seed), round \(round): \(text)")
        }
    }

    @Test("survives mutated text, for any seed", arguments: 100..<108 as Range<UInt64>)
    func mutated(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var refused = 0
        for _ in 0..<500 {
            var bytes = Array(randomValue(&random, depth: 0).utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) { mutate(&bytes, &random) }
            if !bytes.withUnsafeBytes({ fuzzJSON($0) }) { refused += 1 }
        }
        #expect(refused > 50, "seed \(seed): mutations hardly ever break the text, so they test nothing")
    }

    @Test("survives random bytes of JSON's alphabet, for any seed", arguments: 200..<204 as Range<UInt64>)
    func noise(seed: UInt64) {
        let alphabet = Array("{}[]\",:\\u0123dDeE+-. tfn\u{1}é".utf8)
        var random = RandomSource(seed: seed)
        var accepted = 0
        for _ in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            if bytes.withUnsafeBytes({ fuzzJSON($0) }) { accepted += 1 }
        }
        #expect(accepted > 0, "seed \(seed): nothing was accepted")
    }

    @Test("refuses every true prefix of an object", arguments: 300..<304 as Range<UInt64>)
    func prefixes(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let text = Array("{\"a\":\(randomValue(&random, depth: 0))}".utf8)
        for count in 0..<text.count {
            #expect(refusal(of: Array(text.prefix(count))) != nil, "seed \(seed): prefix of \(count) bytes")
        }
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout RandomSource) {
        let index = Int.random(in: 0..<max(1, bytes.count), using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0 where !bytes.isEmpty: bytes[index] = UInt8.random(in: 0...255, using: &random)
        case 1 where !bytes.isEmpty: bytes.remove(at: index)
        case 2: bytes.removeLast(bytes.count / 2)
        default: bytes.insert("{}[]\",:\\u".utf8.randomElement(using: &random) ?? 0, at: min(index, bytes.count))
        }
    }

    private func randomValue(_ random: inout RandomSource, depth: Int) -> String {
        switch Int.random(in: 0..<(depth < 5 ? 8 : 6), using: &random) {
        case 0: return ["true", "false", "null"].randomElement(using: &random) ?? "null"
        case 1: return "\(Int64(bitPattern: random.next()))"
        case 2:
            return
                "\(random.next() % 10).\(random.next())e\(Int.random(in: -400...400, using: &random))"
        case 3, 4, 5: return randomString(&random)
        case 6: return "[" + list(&random) { randomValue(&$0, depth: depth + 1) } + "]"
        default:
            return "{" + list(&random) { randomString(&$0) + space(&$0) + ":" + randomValue(&$0, depth: depth + 1) }
                + "}"
        }
    }

    private func list(_ random: inout RandomSource, _ item: (inout RandomSource) -> String) -> String {
        var parts: [String] = []
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            parts.append(space(&random) + item(&random) + space(&random))
        }
        return parts.joined(separator: ",")
    }

    private func space(_ random: inout RandomSource) -> String {
        ["", "", "", " ", "\n", "\t \r"].randomElement(using: &random) ?? ""
    }

    private func randomString(_ random: inout RandomSource) -> String {
        let pieces = [
            "a", "bc", "key", "é", "漢", "😀", "\\n", "\\\"", "\\\\", "\\u00e9", "\\ud83d\\ude00", "{", "]", ":",
            "longer run of text",
        ]
        return "\""
            + (0..<Int.random(in: 0...5, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
            .joined() + "\""
    }
}
