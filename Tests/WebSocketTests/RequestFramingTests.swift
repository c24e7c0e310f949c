import Model
import Testing
import WebSocket

@Suite("Request framing")
struct RequestFramingTests {
    /// What a stream brings, in pieces of that many bytes: each request's target and the bytes behind its head; then how
    /// it ends.
    private func read(_ stream: [UInt8], pieces: Int) -> (requests: [String], end: RequestFraming.Step) {
        var framing = RequestFraming(headLimit: 512)
        var held: [UInt8] = []
        var requests: [String] = []
        var rest = stream[...]
        while true {
            let step = held.withUnsafeBytes { framing.next($0) }
            switch step {
            case .head(let head, let count):
                requests.append("\(head.target) ")
                held.removeFirst(count)
            case .pass(let count):
                if framing.isInsideRequest || !requests.isEmpty {
                    requests[requests.count - 1] += String(decoding: held.prefix(count), as: UTF8.self)
                }
                held.removeFirst(count)
            case .incomplete:
                guard !rest.isEmpty else { return (requests, step) }
                held += rest.prefix(pieces)
                rest = rest.dropFirst(pieces)
            case .finished, .unclear: return (requests, step)
            }
        }
    }

    private func expect(_ text: String, _ requests: [String], _ end: RequestFraming.Step) {
        for pieces in [1, 2, 3, 7, 1_000] {
            let (read, ending) = read(Array(text.utf8), pieces: pieces)
            #expect(read == requests, "in pieces of \(pieces)")
            #expect(ending == end, "in pieces of \(pieces)")
        }
    }

    @Test("finds requests behind each other, whatever their bodies hold and however reads cut them")
    func requests() {
        let chunks = "3;name=\"v\"\r\nabc\r\n00b\r\nGET / HTTP/\r\n0\r\nTrailer: x\r\n\r\n"
        expect(
            "GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
                + "PUT /c HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n" + chunks
                + "POST /d HTTP/1.1\r\nContent-Length: 0\r\n"
                + "\r\nGET /e HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /f HTTP/1.1\r\n\r\n",
            ["/a ", "/b abc", "/c " + chunks, "/d ", "/e ", "/f "], .incomplete)
    }

    @Test("ends behind the last request that the connection may carry")
    func last() {
        expect("GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.1\r\n\r\n", ["/a "], .finished)
        expect("POST /a HTTP/1.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\nxGET /", ["/a x"], .finished)
        expect("CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\nabc", ["a:1 "], .finished)
    }

    @Test("does not guess where parsers could differ")
    func unclear() {
        for fields in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked", "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1, 1",
            "Content-Length: +1", "Content-Length: ", "Content-Length: 1e1", "Content-Length: 99999999999999999999",
            "Transfer-Encoding: identity", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: xchunked",
        ] {
            expect("POST /a HTTP/1.1\r\n\(fields)\r\n\r\n1\r\nx\r\n0\r\n\r\n", ["/a "], .unclear)
        }
        expect("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ["/a "], .unclear)
        for head in [
            "GET /a HTTP/1.1\r\nA : b\r\n\r\n", "GET /a HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            "GET /a HTTP/1.1\r\nA: b\nB: c\r\n\r\n",
            "GET  /a HTTP/1.1\r\n\r\n", "GET /a HTTP/2.0\r\n\r\n", "nonsense\r\n\r\n", "\nGET /a HTTP/1.1\r\n\r\n",
            "GET /\(String(repeating: "a", count: 600)) HTTP/1.1\r\n\r\n",
        ] { expect(head, [], .unclear) }
    }

    @Test(
        "does not guess at chunks either",
        arguments: [
            "\r\n", "g\r\n", " 1\r\nx\r\n", "1 \r\nx\r\n", "1\nx\r\n", "1\rx", "1;a\nx\r\n", "1\r\nxy", "1\r\nx\n",
            "1\r\nx\rz",
            "1234567890123456\r\n", "0\r\nA: b\n\r\n", "0\r\n\n", "0\r\n\rx", "-1\r\n",
        ])
    func unclearChunks(_ chunks: String) {
        for pieces in [1, 2, 1_000] {
            let head = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            let (_, end) = read(Array((head + chunks).utf8), pieces: pieces)
            #expect(end == .unclear, "in pieces of \(pieces)")
        }
    }

    @Test("reads random bytes the same however they come", arguments: 1...200 as ClosedRange<UInt64>)
    func random(seed: UInt64) {
        var random = RandomSource(seed: seed)
        let parts = [
            "GET /a HTTP/1.1\r\n\r\n", "POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\n", "12345",
            "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nabcde\r\n", "0\r\n\r\n", "\r\n", "x",
            "A: b\r\n",
        ]
        var stream: [UInt8] = []
        for _ in 0..<12 { stream += Array(parts[Int.random(in: 0..<parts.count, using: &random)].utf8) }
        let whole = read(stream, pieces: stream.count)
        let cut = read(stream, pieces: Int.random(in: 1...9, using: &random))
        #expect(whole.requests == cut.requests && whole.end == cut.end, "seed \(seed)")
    }
}
