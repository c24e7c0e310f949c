import Testing
import WebSocket

@Suite("The examples of RFC 6455 §5.7")
struct FrameVectorTests {
    private let hello = Array("Hello".utf8)
    private let key = MaskingKey((0x37, 0xFA, 0x21, 0x3D))
    private let maskedHello: [UInt8] = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]

    @Test("an unmasked text message in one frame")
    func unmasked() {
        let bytes: [UInt8] = [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]
        #expect(outcome(of: bytes).events == [.text("Hello")])
        #expect(frame(.text, hello) == bytes)
    }

    @Test("a masked text message in one frame")
    func masked() {
        #expect(outcome(of: maskedHello, for: .server).events == [.text("Hello")])
        #expect(frame(.text, hello, mask: key) == maskedHello)
    }

    @Test("a fragmented unmasked text message")
    func fragmented() {
        let bytes: [UInt8] = [0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F]
        #expect(outcome(of: bytes).events == [.text("Hello")])
    }

    @Test("a ping and its masked answer")
    func ping() {
        let ping: [UInt8] = [0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]
        let pong: [UInt8] = [0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]
        #expect(outcome(of: ping).events == [.ping(hello)])
        #expect(outcome(of: pong, for: .server).events == [.pong(hello)])
        var bytes: [UInt8] = []
        FrameEncoder.ping(hello, into: &bytes)
        FrameEncoder.pong(hello, mask: key, into: &bytes)
        #expect(bytes == ping + pong)
    }

    @Test(
        "binary messages of 256 bytes and of 64 KiB",
        arguments: [([0x82, 0x7E, 0x01, 0x00], 256), ([0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], 65_536)] as [([UInt8], Int)]
    )
    func binary(header: [UInt8], count: Int) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        #expect(outcome(of: header + payload).events == [.binary(payload)])
        #expect(frame(.binary, payload) == header + payload)
    }
}
