/// Where requests begin and end on an HTTP/1 connection (RFC 9112 §6): finds heads, and steps over bodies without holding
/// them.
///
/// It only takes boundaries that are beyond doubt. Where two parsers could differ (two lengths, a length beside chunks, a
/// line end that is none) it says so once, and there are no boundaries on this connection any more.
package struct RequestFraming: Sendable {
    /// What the first of the bytes are.
    package enum Step: Equatable, Sendable {
        /// A complete head of `count` bytes; what follows is its body, or the next request.
        case head(RequestHead, count: Int)
        /// So many bytes, at least one, of the request under way or between two.
        case pass(Int)
        /// Nothing can be said before more comes.
        case incomplete
        /// The last request has ended: the connection is not to carry another (RFC 9112 §9.3).
        case finished
        /// Boundaries cannot be told, now and later.
        case unclear
    }

    private enum State {
        case head
        case body(remaining: UInt64)
        case chunks(ChunkFraming)
        case unclear
    }

    private let headLimit: Int
    private var state = State.head
    private var isLast = false

    /// Begins before the first request.
    ///
    /// - Parameter headLimit: the longest head that is waited for; a longer one is unclear.
    package init(headLimit: Int = RequestHead.defaultLimit) { self.headLimit = headLimit }

    /// Whether a body is expected next.
    package var isInsideRequest: Bool {
        switch state {
        case .head, .unclear: false
        case .body, .chunks: true
        }
    }

    /// Says what the first bytes are, and takes them as seen: the next call is for those behind `count`.
    package mutating func next(_ bytes: UnsafeRawBufferPointer) -> Step {
        switch state {
        case .unclear: return .unclear
        case .head: return bytes.isEmpty && !isLast ? .incomplete : nextHead(bytes)
        case .body(let remaining):
            guard !bytes.isEmpty else { return .incomplete }
            let count = Int(min(remaining, UInt64(bytes.count)))
            state = remaining == UInt64(count) ? .head : .body(remaining: remaining - UInt64(count))
            return .pass(count)
        case .chunks(var framing):
            guard !bytes.isEmpty else { return .incomplete }
            let count = framing.advance(bytes)
            state = framing.isAtEnd ? .head : framing.isUnclear ? .unclear : .chunks(framing)
            return count > 0 ? .pass(count) : .unclear
        }
    }

    private mutating func nextHead(_ bytes: UnsafeRawBufferPointer) -> Step {
        guard !isLast else { return .finished }
        // RFC 9112 §2.2: an empty line before a request is passed over.
        if bytes[0] == 0x0D || bytes[0] == 0x0A {
            guard bytes.count >= 2 || bytes[0] == 0x0A else { return .incomplete }
            guard bytes[0] == 0x0D, bytes[1] == 0x0A else { return unclear() }
            return .pass(2)
        }
        do throws(HeadError) {
            guard let (head, count) = try RequestHead.parse(bytes, limit: headLimit) else { return .incomplete }
            isLast = !head.isPersistent || head.method == "CONNECT"
            state = Self.body(of: head)
            return .head(head, count: count)
        } catch {
            return unclear()
        }
    }

    private mutating func unclear() -> Step {
        state = .unclear
        return .unclear
    }

    /// What follows a head (RFC 9112 §6.3).
    private static func body(of head: RequestHead) -> State {
        let codings = head.fields.all("Transfer-Encoding")
        let lengths = head.fields.all("Content-Length")
        if !codings.isEmpty {
            guard head.version == "HTTP/1.1", lengths.isEmpty, codings.count == 1,
                isEqualIgnoringCase(codings[0], "chunked")
            else { return .unclear }
            return .chunks(ChunkFraming())
        }
        guard let length = lengths.first else { return .head }
        guard lengths.count == 1, (1...18).contains(length.utf8.count), length.utf8.allSatisfy(isDigit),
            let count = UInt64(length)
        else { return .unclear }
        return count == 0 ? .head : .body(remaining: count)
    }
}
