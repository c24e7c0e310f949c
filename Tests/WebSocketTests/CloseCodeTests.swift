import Testing
import WebSocket

@Suite("A close code")
struct CloseCodeTests {
    @Test("may be sent", arguments: [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999] as [UInt16])
    func sendable(code: UInt16) {
        #expect(CloseCode(rawValue: code).maySend)
    }

    @Test("may not be sent", arguments: [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] as [UInt16])
    func reserved(code: UInt16) {
        #expect(!CloseCode(rawValue: code).maySend)
    }
}
