import Testing
import WebSocket

@Suite("Text of a message")
struct TextValidationTests {
    private static let malformed: [[UInt8]] = [
        [0x80], [0xC0, 0x80], [0xC1, 0x80], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
        [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xC3, 0x28], [0xE2, 0x82, 0x28],
    ]

    @Test("is refused when not UTF-8, whole, cut or fragmented", arguments: malformed)
    func invalid(bytes: [UInt8]) {
        for before in ["", "1234567", "long enough for whole words"] {
            let payload = Array(before.utf8) + bytes
            #expect(outcome(of: frame(.text, payload + Array("after".utf8))).violation == .textNotUTF8)
            for cut in 0...payload.count {
                let first = frame(.text, isFinal: false, Array(payload[..<cut]))
                let last = frame(.continuation, Array(payload[cut...]))
                #expect(outcome(of: first + last).violation == .textNotUTF8)
            }
            #expect(outcome(of: frame(.binary, payload)).events == [.binary(payload)])
        }
    }

    @Test("is refused at the first byte that cannot be mended")
    func failsFast() {
        #expect(outcome(of: frame(.text, isFinal: false, [0x61, 0xFF])).violation == .textNotUTF8)
        #expect(
            outcome(of: [0x01, 0x64, 0xED, 0xA0]).violation == .textNotUTF8,
            "the frame's other 98 bytes are not awaited")
        #expect(outcome(of: [0x01, 0x64, 0xED, 0x9F]).violation == nil)
    }

    @Test("may break a character between fragments, but not end in one")
    func brokenCharacter() {
        for character in ["é", "漢", "😀"] {
            let payload = Array("a\(character)b".utf8)
            for cut in 0...payload.count {
                let first = frame(.text, isFinal: false, Array(payload[..<cut]))
                #expect(outcome(of: first + frame(.continuation, Array(payload[cut...]))).events == [.text(payload)])
            }
            let open = Array(payload.dropLast(2))
            #expect(outcome(of: frame(.text, open)).violation == .textNotUTF8)
            #expect(
                outcome(of: frame(.text, isFinal: false, open) + frame(.continuation, "")).violation == .textNotUTF8)
        }
    }

    @Test("forgets an open character with its message")
    func nextMessage() {
        let bytes = frame(.binary, isFinal: false, [0xE2]) + frame(.continuation, [0x82]) + frame(.text, "plain")
        #expect(outcome(of: bytes).events == [.binary([0xE2, 0x82]), .text("plain")])
    }
}
