/// What both ends have agreed on about compression (RFC 7692 §7.1).
///
/// Every message stands for itself in both directions: a message compressed once suits all its receivers, and a connection
/// on which nothing is under way keeps no memory for it. A server may demand that of any client (§7.1.1.2).
package struct DeflateAgreement: Equatable, Sendable {
    /// How far back messages to the client refer at most.
    package let window: DeflateWindow
    /// The value of `Sec-WebSocket-Extensions` in the response.
    package let response: String

    /// The name under which the extension is offered.
    static let name = "permessage-deflate"

    /// Agrees to the first offer that can be kept, the client's order deciding; nil when there is none (§5.1).
    static func first(of offers: [ExtensionOffer]) -> DeflateAgreement? {
        for offer in offers where offer.name == name {
            if let agreement = DeflateAgreement(offer) { return agreement }
        }
        return nil
    }

    /// Agrees to an offer; nil for one with a parameter that is unknown, repeated, or has a value that it cannot have (§7).
    init?(_ offer: ExtensionOffer) {
        var names: Set<String> = []
        var serverBits: Int?
        for parameter in offer.parameters {
            guard names.insert(parameter.name).inserted else { return nil }
            switch (parameter.name, parameter.value) {
            case ("server_no_context_takeover", nil), ("client_no_context_takeover", nil),
                ("client_max_window_bits", nil):
                break
            // A hint of what the client will do; any of it can be read here.
            case ("client_max_window_bits", let value?):
                guard Self.windowBits(value) != nil else { return nil }
            case ("server_max_window_bits", let value?):
                guard let bits = Self.windowBits(value) else { return nil }
                serverBits = bits
            default: return nil
            }
        }
        window = DeflateWindow(within: serverBits ?? Self.largestWindowBits)
        response =
            "\(Self.name); server_no_context_takeover; client_no_context_takeover"
            + (serverBits.map { "; server_max_window_bits=\($0)" } ?? "")
    }

    /// The window of a side that says nothing, as an exponent of two (§7.1.2).
    private static let largestWindowBits = 15

    /// 8 to 15 without leading zeros (§7.1.2.1).
    private static func windowBits(_ value: String) -> Int? {
        guard let bits = Int(value), (8...largestWindowBits).contains(bits), value == "\(bits)" else { return nil }
        return bits
    }
}

/// How far back a compressed message refers at most. There are only two sizes, so that receivers share what is compressed.
package enum DeflateWindow: UInt8, Sendable, CaseIterable {
    /// 4 KiB, for every client that takes it: chat messages are shorter, and a larger window makes the compressor slower.
    case standard = 12
    /// 512 bytes, for clients that ask for less. zlib cannot do 8 bits, but with 9 it refers no further back than 250
    /// bytes (`MAX_DIST` in its deflate.h), which those who ask for 8 can follow.
    case narrow = 9

    /// The larger one of those that a client with so many bits of window can follow.
    init(within bits: Int) {
        self = bits >= Int(Self.standard.rawValue) ? .standard : .narrow
    }
}
