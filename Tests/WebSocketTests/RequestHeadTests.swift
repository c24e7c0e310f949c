import Testing
import WebSocket

/// The head that text holds; nil while bytes are missing.
func head(_ text: String, limit: Int = RequestHead.defaultLimit) throws(HeadError) -> (
    head: RequestHead, consumed: Int
)? {
    try Array(text.utf8).withUnsafeBufferPointer { (buffer) throws(HeadError) in
        try RequestHead.parse(UnsafeRawBufferPointer(buffer), limit: limit)
    }
}

@Suite("A request head")
struct RequestHeadTests {
    private let text = [
        "GET /a%20b/%C3%A9?x=1&token=a%2Bb+c&flag&bad=%zz HTTP/1.1", "Host:  example ",
        "Connection: keep-alive, Upgrade",
        "X-Empty:", "upgrade: h2c", "Upgrade: WebSocket", "", "",
    ].joined(separator: "\r\n")

    @Test("is read as far as its empty line, and no further")
    func whole() throws {
        let (head, consumed) = try #require(try head(text + "body"))
        #expect(consumed == text.utf8.count)
        #expect(head.method == "GET")
        #expect(head.version == "HTTP/1.1")
        #expect(head.fields["HOST"] == "example")
        #expect(head.fields["x-empty"] == "")
        #expect(head.fields["X-Missing"] == nil)
        #expect(head.fields.all("Upgrade") == ["h2c", "WebSocket"])
        #expect(head.fields.list("connection", contains: "upgrade"))
        #expect(!head.fields.list("connection", contains: "keep"))
        #expect(head.asksForWebSocket)
    }

    @Test("waits for every missing byte")
    func prefixes() throws {
        let bytes = Array(text.utf8)
        for count in 0..<bytes.count {
            #expect(try head(String(decoding: bytes.prefix(count), as: UTF8.self)) == nil)
        }
    }

    @Test("gives path and query, decoded")
    func target() throws {
        let head = try #require(try head(text)).head
        #expect(head.path == "/a%20b/%C3%A9")
        #expect(head.decodedPath == "/a b/é")
        #expect(head.queryItem("x") == "1")
        #expect(head.queryItem("token") == "a+b c")
        #expect(head.queryItem("flag") == "")
        #expect(head.queryItem("bad") == nil)
        #expect(head.queryItem("missing") == nil)
    }

    @Test("has no decoded path when that is malformed", arguments: ["/%", "/%4", "/%zz", "/%ff", "/%+1"])
    func malformedPath(path: String) throws {
        #expect(try #require(try head("GET \(path) HTTP/1.1\r\n\r\n")).head.decodedPath == nil)
    }

    @Test(
        "is refused when its first line is not a request's",
        arguments: [
            "GET /", "GET  / HTTP/1.1", "GET / HTTP/2", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "", "G(T / HTTP/1.1",
            "GET /é HTTP/1.1", "GET /\n HTTP/1.1",
        ]
    )
    func startLine(line: String) {
        #expect(throws: HeadError.startLineInvalid) { try head(line + "\r\n\r\n") }
    }

    @Test(
        "is refused when a header line is malformed",
        arguments: [
            "NoColon", ": value", "Na me: value", "Name : value", " folded", "Name: a\nb", "Name: a\rb", "Name: a\0b",
        ]
    )
    func field(line: String) {
        #expect(throws: HeadError.fieldInvalid(line: 2)) { try head("GET / HTTP/1.1\r\nHost: a\r\n\(line)\r\n\r\n") }
    }

    @Test("is refused past its limit, and taken at it")
    func limit() throws {
        let count = text.utf8.count
        #expect(try head(text, limit: count) != nil)
        #expect(throws: HeadError.tooLarge(limit: count - 1)) { try head(text, limit: count - 1) }
        #expect(throws: HeadError.tooLarge(limit: 64)) { try head(String(repeating: "a", count: 64), limit: 64) }
        #expect(try head(String(repeating: "a", count: 63), limit: 64) == nil)
    }
}
