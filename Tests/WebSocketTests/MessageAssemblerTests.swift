import Testing
import WebSocket

@Suite("A message assembler")
struct MessageAssemblerTests {
    private let key = MaskingKey((1, 2, 3, 4))

    @Test("takes several frames of one read, control frames between fragments included")
    func interleaved() {
        let bytes =
            frame(.text, isFinal: false, "ab") + frame(.ping, "p") + frame(.continuation, isFinal: false, "")
            + frame(.pong, "") + frame(.continuation, "cd") + frame(.binary, [0xFF]) + frame(.text, "")
        #expect(
            outcome(of: bytes).events == [.ping(Array("p".utf8)), .pong([]), .text("abcd"), .binary([0xFF]), .text("")])
    }

    @Test("turns the mask over pieces of any length")
    func maskPhase() {
        let text = String(repeating: "0123456789é", count: 30)
        let bytes = frame(.text, text, mask: MaskingKey((0xA1, 0xB2, 0xC3, 0xD4)))
        for size in 1...20 {
            var assembler = MessageAssembler(role: .server)
            var outcome = Outcome()
            for start in stride(from: 0, to: bytes.count, by: size) {
                assembler.feed(bytes[start..<min(start + size, bytes.count)], into: &outcome)
            }
            #expect(outcome == Outcome(events: [.text(text)]), "in pieces of \(size)")
        }
    }

    @Test("refuses an unmasked frame at a server and a masked one at a client")
    func masking() {
        #expect(outcome(of: frame(.text, "a"), for: .server).violation == .unmasked)
        #expect(outcome(of: frame(.text, "a", mask: key), for: .client).violation == .masked)
        #expect(outcome(of: frame(.text, "a", mask: MaskingKey(word: 0)), for: .server).events == [.text("a")])
    }

    @Test("refuses reserved bits and opcodes")
    func reserved() {
        for bit in [0x40, 0x20, 0x10] as [UInt8] {
            #expect(outcome(of: [0x81 | bit, 0x00]).violation == .reservedBits)
            #expect(outcome(of: [0x89 | bit, 0x00]).violation == .reservedBits)
        }
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] as [UInt8] {
            #expect(outcome(of: [0x80 | opcode, 0x00]).violation == .reservedOpcode(opcode))
        }
    }

    @Test("refuses control frames in fragments or too long")
    func control() {
        #expect(outcome(of: [0x09, 0x00]).violation == .controlFragmented)
        #expect(outcome(of: [0x89, 0x7E, 0x00, 0x7E]).violation == .controlTooLong)
        #expect(outcome(of: [0x88, 0x7F]).violation == .controlTooLong)
        #expect(
            outcome(of: frame(.ping, [UInt8](repeating: 1, count: 125))).events == [
                .ping([UInt8](repeating: 1, count: 125))
            ])
    }

    @Test("refuses fragments out of order")
    func order() {
        #expect(outcome(of: frame(.continuation, "a")).violation == .continuationUnexpected)
        #expect(outcome(of: frame(.text, "a") + frame(.continuation, "b")).violation == .continuationUnexpected)
        #expect(outcome(of: frame(.text, isFinal: false, "a") + frame(.text, "b")).violation == .continuationMissing)
        #expect(
            outcome(of: frame(.binary, isFinal: false, "") + frame(.binary, isFinal: false, "")).violation
                == .continuationMissing)
    }

    @Test(
        "refuses lengths in more bytes than they need",
        arguments: [
            [0x82, 0x7E, 0x00, 0x7D], [0x82, 0x7F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
            [0x82, 0x7F, 0x80, 0, 0, 0, 0, 0, 0, 0],
        ] as [[UInt8]]
    )
    func lengths(bytes: [UInt8]) {
        #expect(outcome(of: bytes).violation == .lengthNotMinimal)
    }

    @Test("takes messages up to the limit and refuses the next byte from the header alone")
    func limit() {
        let full = [UInt8](repeating: 7, count: 300)
        #expect(outcome(of: frame(.binary, full), limit: 300).events == [.binary(full)])
        #expect(outcome(of: [0x82, 0x7E, 0x01, 0x2D], limit: 300).violation == .messageTooLarge(limit: 300))
        let two = frame(.binary, isFinal: false, Array(full.prefix(200)))
        #expect(outcome(of: two + frame(.continuation, Array(full.prefix(100))), limit: 300).events == [.binary(full)])
        #expect(outcome(of: two + [0x80, 101], limit: 300).violation == .messageTooLarge(limit: 300))
        #expect(outcome(of: [0x82, 0x7F, 0x7F, 255, 255, 255, 255, 255, 255, 255]).violation?.code == .messageTooBig)
        #expect(outcome(of: two + frame(.ping, "still taken"), limit: 200).events.count == 1)
    }

    @Test("keeps no memory for empty fragments, nor for bytes that are only announced")
    func memory() {
        var assembler = MessageAssembler(role: .client)
        var outcome = Outcome()
        assembler.feed(frame(.binary, isFinal: false, [UInt8](repeating: 1, count: 10)), into: &outcome)
        let before = assembler.bufferedByteCount
        for _ in 0..<10_000 { assembler.feed(frame(.continuation, isFinal: false, ""), into: &outcome) }
        #expect(assembler.bufferedByteCount == before)
        assembler.feed([0x80, 0x7F, 0, 0, 0, 0, 0, 0x0F, 0, 0, 1], into: &outcome)
        #expect(assembler.bufferedByteCount < 1_024)
        #expect(outcome == Outcome())
    }

    @Test("takes room for many small fragments a quarter more at a time, and does not move them for each")
    func fragments() {
        var assembler = MessageAssembler(role: .client)
        var outcome = Outcome()
        assembler.feed(frame(.binary, isFinal: false, ""), into: &outcome)
        var rooms: Set<Int> = []
        for count in 1...100_000 {
            assembler.feed(frame(.continuation, isFinal: false, "x"), into: &outcome)
            rooms.insert(assembler.bufferedByteCount)
            #expect(assembler.bufferedByteCount <= count + count / 4 + 64)
        }
        #expect(rooms.count < 100 && outcome == Outcome())
    }

    @Test("gives its memory back after a message")
    func release() {
        var assembler = MessageAssembler(role: .client)
        var outcome = Outcome()
        let bytes = frame(.text, String(repeating: "x", count: 100_000))
        assembler.feed(bytes.prefix(5), into: &outcome)
        assembler.feed(bytes.dropFirst(5).prefix(50_000), into: &outcome)
        #expect(assembler.bufferedByteCount >= 50_000)
        assembler.feed(bytes.dropFirst(50_005), into: &outcome)
        #expect(outcome.events.count == 1)
        #expect(assembler.bufferedByteCount == 0)
    }

    @Test("reads close frames, and nothing after them")
    func close() {
        #expect(outcome(of: frame(.close, [])).events == [.close(code: nil, reason: "")])
        #expect(outcome(of: frame(.close, [0x03, 0xE8])).events == [.close(code: .normal, reason: "")])
        let going = frame(.close, [0x03, 0xE9] + Array("bye é".utf8))
        #expect(
            outcome(of: going + frame(.text, "late") + [0xFF])
                == Outcome(events: [.close(code: .goingAway, reason: "bye é")]))
    }

    @Test("refuses close frames of one byte, with a code never sent, or a reason not UTF-8")
    func closeInvalid() {
        #expect(outcome(of: frame(.close, [0x03])).violation == .closeTruncated)
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] as [UInt16] {
            let payload = [UInt8(code >> 8), UInt8(code & 0xFF)]
            #expect(outcome(of: frame(.close, payload)).violation == .closeCodeInvalid(code))
        }
        #expect(outcome(of: frame(.close, [0x03, 0xE8, 0xC3])).violation == .textNotUTF8)
    }

    @Test("passes over everything after a violation")
    func finished() {
        var assembler = MessageAssembler(role: .client)
        var outcome = Outcome()
        assembler.feed(frame(.text, "good") + [0x83, 0x00], into: &outcome)
        #expect(outcome == Outcome(events: [.text("good")], violation: .reservedOpcode(3)))
        outcome.violation = nil
        assembler.feed(frame(.text, "late"), into: &outcome)
        #expect(outcome == Outcome(events: [.text("good")]))
    }
}
