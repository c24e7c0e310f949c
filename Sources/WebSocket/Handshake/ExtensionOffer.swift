/// One item of `Sec-WebSocket-Extensions` (RFC 6455 §9.1).
struct ExtensionOffer: Equatable {
    /// `permessage-deflate`, as it was written.
    let name: String
    /// What stands behind the name, in order, repetitions included.
    let parameters: [Parameter]

    /// A parameter and its value.
    struct Parameter: Equatable {
        let name: String
        /// Without quotes; nil for a parameter that stands alone.
        let value: String?
    }

    /// The header does not have the form that the RFC gives it.
    struct Malformed: Error, Equatable {}

    /// Reads all lines of the header, which make one list. Empty items are passed over (RFC 9110 §5.6.1).
    static func parse(_ lines: [String]) throws(Malformed) -> [ExtensionOffer] {
        var offers: [ExtensionOffer] = []
        for line in lines {
            var scanner = Scanner(rest: Array(line.utf8)[...])
            repeat {
                guard !scanner.isAtListItemEnd else { continue }
                offers.append(try scanner.offer())
                guard scanner.isAtListItemEnd else { throw Malformed() }
            } while scanner.take(",")
        }
        return offers
    }

    /// Reads one line from its front.
    private struct Scanner {
        var rest: ArraySlice<UInt8>

        var isAtListItemEnd: Bool {
            mutating get {
                skipSpace()
                return rest.isEmpty || rest.first == UInt8(ascii: ",")
            }
        }

        mutating func offer() throws(Malformed) -> ExtensionOffer {
            let name = try token()
            var parameters: [Parameter] = []
            while take(";") {
                let name = try token()
                parameters.append(Parameter(name: name, value: take("=") ? try value() : nil))
            }
            return ExtensionOffer(name: name, parameters: parameters)
        }

        mutating func take(_ separator: Unicode.Scalar) -> Bool {
            skipSpace()
            guard rest.first == UInt8(ascii: separator) else { return false }
            rest.removeFirst()
            return true
        }

        private mutating func token() throws(Malformed) -> String {
            skipSpace()
            let token = rest.prefix(while: isToken)
            guard !token.isEmpty else { throw Malformed() }
            rest.removeFirst(token.count)
            return String(decoding: token, as: UTF8.self)
        }

        /// A token, or a quoted string that holds one once its backslashes are resolved.
        private mutating func value() throws(Malformed) -> String {
            guard take("\"") else { return try token() }
            var value: [UInt8] = []
            while var byte = rest.popFirst() {
                if byte == UInt8(ascii: "\"") {
                    guard !value.isEmpty, value.allSatisfy(isToken) else { throw Malformed() }
                    return String(decoding: value, as: UTF8.self)
                }
                if byte == UInt8(ascii: "\\") {
                    guard let escaped = rest.popFirst() else { throw Malformed() }
                    byte = escaped
                }
                value.append(byte)
            }
            throw Malformed()
        }

        private mutating func skipSpace() {
            rest = rest.drop { $0 == 0x20 || $0 == 0x09 }
        }
    }
}
