import Testing
import WebSocket

@Suite("A frame encoder")
struct FrameEncoderTests {
    @Test("writes each length in the fewest bytes", arguments: [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)])
    func lengths(payload: Int, header: Int) {
        let bytes = frame(.binary, [UInt8](repeating: 5, count: payload))
        #expect(bytes.count == header + payload)
        #expect(outcome(of: bytes).events == [.binary([UInt8](repeating: 5, count: payload))])
    }

    @Test("appends behind what is there")
    func appends() {
        var bytes: [UInt8] = []
        FrameEncoder.text(Array("a".utf8), mask: MaskingKey(word: 0xDEAD_BEEF), into: &bytes)
        FrameEncoder.binary([1, 2, 3], mask: MaskingKey(word: 0x0102_0304), into: &bytes)
        FrameEncoder.close(.serviceRestart, reason: "back soon", mask: MaskingKey(word: 9), into: &bytes)
        let expected: [MessageEvent] = [
            .text("a"), .binary([1, 2, 3]), .close(code: .serviceRestart, reason: "back soon"),
        ]
        #expect(outcome(of: bytes, for: .server).events == expected)
    }

    @Test("cuts the reason of a close at 123 bytes, never inside a character")
    func reason() {
        for (reason, kept) in [
            (String(repeating: "a", count: 200), 123), (String(repeating: "é", count: 100), 122),
            (String(repeating: "漢", count: 41), 123), (String(repeating: "😀", count: 40), 120), ("", 0),
        ] {
            var bytes: [UInt8] = []
            FrameEncoder.close(.policyViolation, reason: reason, into: &bytes)
            let cut = String(decoding: Array(reason.utf8).prefix(kept), as: UTF8.self)
            #expect(outcome(of: bytes).events == [.close(code: .policyViolation, reason: cut)])
        }
    }

    @Test("writes a close without code without payload")
    func noCode() {
        var bytes: [UInt8] = []
        FrameEncoder.close(nil, reason: "nowhere to put it", into: &bytes)
        #expect(bytes == [0x88, 0x00])
    }

    @Test("writes a header for a payload that the caller appends")
    func header() {
        var bytes: [UInt8] = []
        FrameEncoder.header(.text, payloadCount: 2, into: &bytes)
        #expect(outcome(of: bytes + Array("hi".utf8)).events == [.text("hi")])
    }
}
