import CZlib
import Model
import Testing
import WebSocket

/// Compresses as a peer may, with any of zlib's settings, and with blocks ended at random places.
func compressed(
    _ bytes: [UInt8], level: Int32 = 6, windowBits: Int32 = 15, strategy: Int32 = Z_DEFAULT_STRATEGY,
    endsForGood: Bool = false, cutBy random: inout RandomSource
) -> [UInt8] {
    var stream = z_stream()
    precondition(roost_deflate_init(&stream, level, -windowBits, 8) == Z_OK, "a peer's settings are zlib's")
    precondition(deflateParams(&stream, level, strategy) == Z_OK, "a peer's strategy is zlib's")
    defer { deflateEnd(&stream) }
    var result: [UInt8] = []
    var rest = bytes[...]
    repeat {
        var piece = Array(rest.prefix(Int.random(in: 1...max(1, bytes.count), using: &random)))
        rest = rest.dropFirst(piece.count)
        let inner = [Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_BLOCK].randomElement(using: &random) ?? Z_NO_FLUSH
        let flush = rest.isEmpty ? (endsForGood ? Z_FINISH : Z_SYNC_FLUSH) : inner
        var output = [UInt8](repeating: 0, count: bytes.count * 2 + 1_000)
        piece.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(target.count)
                let code = deflate(&stream, flush)
                precondition(code == Z_OK || code == Z_STREAM_END, "a peer's room is enough")
            }
        }
        result += output.dropLast(Int(stream.avail_out))
    } while !rest.isEmpty
    return endsForGood ? result : Array(result.dropLast(4))
}

@Suite("A compressed message")
struct CompressedMessageTests {
    private func read(_ bytes: [UInt8], limit: Int = 1 << 20) -> Outcome {
        outcome(of: bytes, limit: limit, acceptsCompressed: true)
    }

    private func message(_ payload: [UInt8], _ opcode: Opcode = .text) -> [UInt8] {
        frame(opcode, isCompressed: true, payload)
    }

    @Test(
        "is read as in the examples of RFC 7692 §7.2.3",
        arguments: [
            ([0xC1, 0x07, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], "Hello"),
            ([0x41, 0x03, 0xF2, 0x48, 0xCD, 0x80, 0x04, 0xC9, 0xC9, 0x07, 0x00], "Hello"),
            ([0xC1, 0x0B, 0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00], "Hello"),
            ([0xC1, 0x08, 0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00], "Hello"),
            ([0xC1, 0x0D, 0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00], "Hello"),
            ([0xC1, 0x01, 0x00], ""),
            // No byte at all is what some peers make of an empty message.
            ([0xC1, 0x00], ""),
            // A last block without an empty one behind it.
            ([0xC1, 0x07, 0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], "Hello"),
            // Two deflate streams in one message.
            (
                [0xC1, 0x0E, 0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00],
                "HelloHello"
            ),
        ] as [([UInt8], String)])
    func examples(bytes: [UInt8], text: String) {
        #expect(read(bytes) == Outcome(events: [.text(text)]))
    }

    @Test("is written as in RFC 7692 §7.2.3.1, an empty one as in §7.2.3.6, and each as if it were the first")
    func written() {
        for window in DeflateWindow.allCases {
            var deflater = Deflater(window: window)
            for _ in 0..<2 {
                #expect(deflater.compress(Array("Hello".utf8)) == [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00])
                #expect(deflater.compress([]) == [0x00])
            }
        }
    }

    @Test("must stand for itself: one that refers to the message before, as in §7.2.3.2, is refused")
    func contextTakeover() {
        let second: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
        let outcome = read(message([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]) + message(second))
        #expect(outcome == Outcome(events: [.text("Hello")], violation: .compressedDataInvalid))
        #expect(outcome.violation?.code == .invalidPayload)
    }

    @Test("is refused where it was not agreed, and its bit on continuations and control frames")
    func reservedBit() {
        let hello = message([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00])
        #expect(outcome(of: hello).violation == .reservedBits)
        let first = frame(.text, isFinal: false, isCompressed: true, [0xF2])
        #expect(read(first + frame(.continuation, isCompressed: true, [0x48])).violation == .reservedBits)
        #expect(read(frame(.text, isFinal: false, "a") + [0xC0, 0x00]).violation == .reservedBits)
        #expect(read([0xC9, 0x00]).violation == .reservedBits)
        #expect(read([0xA1, 0x00]).violation == .reservedBits, "RSV2 has no meaning")
    }

    @Test("may come beside messages that are not compressed, and be broken by control frames")
    func mixed() {
        let bytes =
            frame(.text, "plain") + frame(.text, isFinal: false, isCompressed: true, [0xF2, 0x48]) + frame(.ping, "p")
            + frame(.continuation, isFinal: false, []) + frame(.continuation, [0xCD, 0xC9, 0xC9, 0x07, 0x00])
            + frame(.binary, [1, 2])
        #expect(read(bytes).events == [.text("plain"), .ping(Array("p".utf8)), .text("Hello"), .binary([1, 2])])
    }

    @Test(
        "is the same whatever the peer's compressor, its blocks, its frames and the reads",
        arguments: 0..<12 as Range<UInt64>)
    func peers(seed: UInt64) {
        var random = RandomSource(seed: seed)
        for round in 0..<25 {
            let payload = Self.payload(&random)
            let body = compressed(
                payload, level: Int32.random(in: 0...9, using: &random),
                windowBits: .random(in: 9...15, using: &random),
                strategy: [Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED].randomElement(
                    using: &random)!,
                endsForGood: Int.random(in: 0..<4, using: &random) == 0, cutBy: &random)
            var rest = body[...]
            var opcode = Opcode.binary
            var bytes: [UInt8] = []
            while Int.random(in: 0..<3, using: &random) > 0 {
                let piece = rest.prefix(Int.random(in: 0...rest.count, using: &random))
                rest = rest.dropFirst(piece.count)
                bytes += frame(
                    opcode, isFinal: false, isCompressed: opcode == .binary, Array(piece),
                    mask: MaskingKey(word: UInt32(truncatingIfNeeded: random.next())))
                opcode = .continuation
            }
            bytes += frame(
                opcode, isCompressed: opcode == .binary, Array(rest),
                mask: MaskingKey(word: UInt32(truncatingIfNeeded: random.next())))
            let expected = Outcome(events: [.binary(payload)])
            let whole = outcome(of: bytes, for: .server, acceptsCompressed: true)
            #expect(whole == expected, "seed \(seed), round \(round), whole")
            let cut = outcome(of: bytes, for: .server, acceptsCompressed: true, cutBy: &random)
            #expect(cut == expected, "seed \(seed), round \(round), cut")
        }
    }

    @Test("of ours is read by any inflater with the window that was agreed", arguments: 0..<6 as Range<UInt64>)
    func windows(seed: UInt64) {
        var random = RandomSource(seed: seed)
        // A window of 8 bits is inflated with 256 bytes of memory and no more.
        for (window, bits) in [(DeflateWindow.standard, 12), (.narrow, 9), (.narrow, 8)] as [(DeflateWindow, Int32)] {
            var deflater = Deflater(window: window)
            for round in 0..<10 {
                let payload = Self.payload(&random)
                let body = deflater.compress(payload) + [0x00, 0x00, 0xFF, 0xFF]
                #expect(inflated(body, windowBits: bits) == payload, "seed \(seed), round \(round), \(bits) bits")
            }
        }
    }

    @Test(
        "is refused when a byte of it is wrong or missing, wherever reads cut the stream",
        arguments: 0..<6 as Range<UInt64>)
    func damaged(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var refused = 0
        for round in 0..<100 {
            var body = compressed(Self.text(&random), cutBy: &random)
            if Bool.random(using: &random) {
                body.removeSubrange(Int.random(in: 1..<body.count, using: &random)...)
            } else {
                body[Int.random(in: body.indices, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            }
            let bytes = message(body)
            let whole = outcome(of: bytes, limit: 3_000, acceptsCompressed: true)
            let cut = outcome(of: bytes, for: .client, limit: 3_000, acceptsCompressed: true, cutBy: &random)
            #expect(whole == cut, "seed \(seed), round \(round)")
            if whole.violation != nil { refused += 1 }
        }
        #expect(refused > 60, "seed \(seed): damage is hardly ever seen, so this tests nothing")
    }

    @Test("that was cut short is not taken for a shorter one")
    func truncated() {
        var deflater = Deflater(window: .standard)
        let body = deflater.compress(Array(String(repeating: "every byte counts; ", count: 9).utf8))
        for count in 1..<body.count {
            #expect(read(message(Array(body[..<count]))).violation == .compressedDataInvalid, "\(count) bytes")
        }
    }

    @Test("of text is checked while it is inflated")
    func text() {
        var random = RandomSource(seed: 1)
        let bad = compressed(Array("good".utf8) + [0xFF] + [UInt8](repeating: 0x61, count: 100_000), cutBy: &random)
        #expect(read(message(bad)).violation == .textNotUTF8)
        #expect(read(message(bad), limit: 50).violation == .textNotUTF8, "before the limit is reached")
        #expect(read(message(bad, .binary)).violation == nil)
        let open = compressed(Array("é".utf8.dropLast()), cutBy: &random)
        #expect(read(message(open)).violation == .textNotUTF8)
    }

    @Test("is inflated up to the limit and not further, from frames of any size")
    func bomb() {
        var random = RandomSource(seed: 1)
        let limit = 10_000
        let full = [UInt8](repeating: 0x61, count: limit)
        #expect(read(message(compressed(full, cutBy: &random)), limit: limit).events == [.text(full)])
        let over = compressed(full + [0x61], cutBy: &random)
        #expect(read(message(over), limit: limit).violation == .inflatedTooLarge(limit: limit))
        #expect(read(message(over), limit: limit).violation?.code == .messageTooBig)

        // 16 MiB of zeros: the assembler holds no more than the limit, whatever is still to come.
        let bomb = compressed([UInt8](repeating: 0, count: 16 << 20), level: 9, cutBy: &random)
        var assembler = MessageAssembler(role: .client, messageLimit: limit, acceptsCompressed: true)
        var outcome = Outcome()
        for byte in frame(.binary, isCompressed: true, Array(bomb.prefix(8_192))) where outcome.violation == nil {
            assembler.feed([byte], into: &outcome)
            #expect(assembler.bufferedByteCount <= limit + limit / 4 + 512)
        }
        #expect(outcome == Outcome(violation: .inflatedTooLarge(limit: limit)))
        #expect(assembler.isInflating == false)
        #expect(assembler.bufferedByteCount == 0)
    }

    @Test("may not have more compressed bytes than its bytes could ever need")
    func compressedLimit() {
        // Empty blocks inflate to nothing, for as long as a peer likes.
        let nothing = [UInt8]([0x00, 0x00, 0x00, 0xFF, 0xFF])
        let piece = Array(repeatElement(nothing, count: 200).joined())
        let first = frame(.binary, isFinal: false, isCompressed: true, piece)
        let next = frame(.continuation, isFinal: false, piece)
        #expect(read(first + next, limit: 1_000).violation == nil)
        #expect(read(first + next + next, limit: 1_000).violation == .messageTooLarge(limit: 1_000))
        // Random bytes grow when they are compressed; they are taken all the same.
        var random = RandomSource(seed: 1)
        let noise = (0..<1_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let fixed = compressed(noise, strategy: Z_FIXED, cutBy: &random)
        #expect(fixed.count > 1_000)
        #expect(read(message(fixed, .binary), limit: 1_000).events == [.binary(noise)])
    }

    @Test("keeps memory to inflate only while it is open")
    func memory() {
        var assembler = MessageAssembler(role: .client, acceptsCompressed: true)
        var outcome = Outcome()
        #expect(assembler.isInflating == false)
        assembler.feed(frame(.text, isFinal: false, isCompressed: true, [0xF2, 0x48]), into: &outcome)
        #expect(assembler.isInflating == true)
        assembler.feed(frame(.continuation, [0xCD, 0xC9, 0xC9, 0x07, 0x00]), into: &outcome)
        #expect(outcome.events == [.text("Hello")])
        #expect(assembler.isInflating == false)
        #expect(assembler.bufferedByteCount == 0)
    }

    @Test("lets its receiver deal with it before the next is inflated")
    func pausing() throws {
        var random = RandomSource(seed: 1)
        let large = [UInt8](repeating: 0x61, count: 100_000)
        let one = message(compressed(large, cutBy: &random))
        let bytes = Array(repeatElement(one, count: 50).joined()) + frame(.text, "end")
        var assembler = MessageAssembler(role: .client, acceptsCompressed: true)
        var taken = 0
        var count = 0
        while taken < bytes.count {
            var events: [MessageEvent] = []
            taken += try bytes[taken...].withUnsafeBytes {
                try assembler.receive($0, pausingAfter: 65_536, into: &events)
            }
            #expect(events.count == 1)
            count += 1
        }
        #expect(count == 51)
    }

    /// Some bytes that compress well, badly or not at all.
    private static func payload(_ random: inout RandomSource) -> [UInt8] {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: (0..<Int.random(in: 0...3_000, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        case 1: [UInt8](repeating: 7, count: Int.random(in: 0...200_000, using: &random))
        default: text(&random)
        }
    }

    private static func text(_ random: inout RandomSource) -> [UInt8] {
        let words = ["\"user\":", "\"text\":", "meet", "noon", "été", "漢字", "{", "}", ",", "0123456789"]
        return (0..<Int.random(in: 20...600, using: &random)).flatMap { _ in
            Array((words.randomElement(using: &random) ?? "").utf8)
        }
    }

    /// Inflates with a window of just so many bits.
    private func inflated(_ bytes: [UInt8], windowBits: Int32) -> [UInt8]? {
        var stream = z_stream()
        precondition(roost_inflate_init(&stream, -windowBits) == Z_OK, "zlib inflates with any window")
        defer { inflateEnd(&stream) }
        var bytes = bytes
        var result: [UInt8] = []
        return bytes.withUnsafeMutableBufferPointer { source in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(source.count)
            // Small pieces, so that what is referred to must come from the window.
            var piece = [UInt8](repeating: 0, count: 64)
            while true {
                let code = piece.withUnsafeMutableBufferPointer { target in
                    stream.next_out = target.baseAddress
                    stream.avail_out = UInt32(target.count)
                    return inflate(&stream, Z_SYNC_FLUSH)
                }
                guard code == Z_OK || code == Z_BUF_ERROR else { return nil }
                result += piece.dropLast(Int(stream.avail_out))
                if stream.avail_out == 64 { return result }
            }
        }
    }
}
