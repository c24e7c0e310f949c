import Model

/// Where a node's front is: `http://HOST:PORT`, `https:`, `ws:`, `wss:`, or `HOST:PORT`.
struct ServerAddress: Equatable, Sendable, CustomStringConvertible {
    let endpoint: Endpoint
    let isSecure: Bool
    /// The authorities of the node's certificate, in PEM; nil for those that the system trusts.
    var authorityFile: String?

    /// The port of the front where an address names none.
    static let plainPort: UInt16 = 6336
    /// The same with TLS.
    static let securePort: UInt16 = 6443

    /// Reads an address; a path is passed over. Nil where there is no host.
    init?(_ text: String) {
        var rest = text[...]
        var isSecure = false
        if let scheme = text.range(of: "://") {
            switch text[..<scheme.lowerBound] {
            case "http", "ws": break
            case "https", "wss": isSecure = true
            default: return nil
            }
            rest = text[scheme.upperBound...]
        }
        let authority = String(rest.prefix { $0 != "/" })
        self.isSecure = isSecure
        if let endpoint = Endpoint(authority), endpoint.port > 0 {
            self.endpoint = endpoint
        } else if let endpoint = Endpoint("\(authority):\(isSecure ? Self.securePort : Self.plainPort)") {
            self.endpoint = endpoint
        } else {
            return nil
        }
    }

    var description: String { "\(isSecure ? "https" : "http")://\(endpoint)" }
}

extension String {
    /// Where a text first occurs.
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
