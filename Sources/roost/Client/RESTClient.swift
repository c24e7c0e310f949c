import JSON
import NIOCore
import NIOHTTP1

/// Asks a node by HTTP, one connection for each question; nodes are tried in turn.
struct RESTClient {
    let addresses: [ServerAddress]
    let token: String?

    /// The most bytes of an answer: 64 MiB.
    private static let answerLimit = 64 << 20

    init(addresses: [ServerAddress], token: String?) {
        self.addresses = addresses
        self.token = token
    }

    /// Why the first node is not ready; nil when it is.
    func unreadiness() async throws(CommandFailure) -> String? {
        let (status, bytes) = try await exchange(addresses[0], .GET, "/readyz", nil)
        if status == 200 { return nil }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    init(_ options: ClientOptions) throws(CommandFailure) {
        addresses = try options.addresses()
        token = options.bearer
    }

    /// The answer's JSON: what is under `data` where the answer has it.
    func call(_ method: HTTPMethod, _ path: String, body: [UInt8]? = nil) async throws(CommandFailure) -> JSONView {
        let (status, bytes, address) = try await ask(method, path, body)
        return try read(status, bytes, from: address)
    }

    /// The bytes of an answer that is no JSON.
    func bytes(_ path: String) async throws(CommandFailure) -> [UInt8] {
        let (status, bytes, address) = try await ask(.GET, path, nil)
        guard (200..<300).contains(status) else {
            _ = try read(status, bytes, from: address)
            throw .broken("\(address) answered \(status)")
        }
        return bytes
    }

    private func ask(
        _ method: HTTPMethod, _ path: String, _ body: [UInt8]?
    ) async throws(CommandFailure) -> (status: Int, bytes: [UInt8], address: ServerAddress) {
        var failure = CommandFailure.unreachable("no address was given")
        for address in addresses {
            do throws(CommandFailure) {
                let (status, bytes) = try await exchange(address, method, path, body)
                return (status, bytes, address)
            } catch {
                guard case .unreachable = error else { throw error }
                failure = error
            }
        }
        throw failure
    }

    private func read(_ status: Int, _ bytes: [UInt8], from address: ServerAddress) throws(CommandFailure) -> JSONView {
        let view: JSONView
        do throws(JSONError) {
            view = try JSONView(parsing: bytes)
        } catch {
            throw .broken("\(address) answered \(status) and no JSON")
        }
        if (200..<300).contains(status) { return view["data"] ?? view }
        let error = view["error"]
        throw .refused(
            code: error?["code"]?.string ?? "HTTP \(status)",
            message: error?["message"]?.string ?? "refused without words")
    }

    private func exchange(
        _ address: ServerAddress, _ method: HTTPMethod, _ path: String, _ body: [UInt8]?
    ) async throws(CommandFailure) -> (Int, [UInt8]) {
        let channel = try await dial(address) { channel in
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
                wrappingChannelSynchronously: channel)
        }
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: path)
        head.headers.add(name: "Host", value: "\(address.endpoint)")
        head.headers.add(name: "Connection", value: "close")
        if let token { head.headers.add(name: "Authorization", value: "Bearer \(token)") }
        if let body {
            head.headers.add(name: "Content-Type", value: "application/json")
            head.headers.add(name: "Content-Length", value: "\(body.count)")
        }
        let request = head
        do {
            return try await channel.executeThenClose { inbound, outbound in
                // All at once: a server that has its answer after the last byte closes, and a further write would fail.
                var parts = [HTTPClientRequestPart.head(request)]
                if let body { parts.append(.body(.byteBuffer(ByteBuffer(bytes: body)))) }
                parts.append(.end(nil))
                try await outbound.write(contentsOf: parts)
                var status = 0
                var bytes: [UInt8] = []
                for try await part in inbound {
                    switch part {
                    case .head(let head): status = Int(head.status.code)
                    case .body(let buffer):
                        guard bytes.count + buffer.readableBytes <= Self.answerLimit else {
                            throw CommandFailure.broken("the answer is too long")
                        }
                        bytes.append(contentsOf: buffer.readableBytesView)
                    case .end: return (status, bytes)
                    }
                }
                throw CommandFailure.unreachable("\(address): the connection ended before the answer")
            }
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw .unreachable("\(address): \(reason(of: error))")
        }
    }
}

/// A text as one segment of a path (RFC 3986 §3.3).
func pathSegment(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
            result.unicodeScalars.append(Unicode.Scalar(byte))
        default: result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
    }
    return result
}
