import Testing
import WebSocket

@Suite("An offer of permessage-deflate")
struct DeflateOfferTests {
    /// What a server answers to these lines; nil for a handshake without the extension.
    private func answer(_ lines: [String], compresses: Bool = true) throws -> Result<
        DeflateAgreement?, HandshakeRefusal
    > {
        let fields = lines.map { "Sec-WebSocket-Extensions: \($0)\r\n" }.joined()
        let request =
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\(fields)\r\n"
        return Handshake.accept(try #require(try head(request)).head, compresses: compresses).map { acceptance in
            let text = String(decoding: acceptance.response, as: UTF8.self)
            let line = acceptance.deflate.map { "\r\nSec-WebSocket-Extensions: \($0.response)\r\n" }
            #expect(line.map { text.contains($0) } ?? !text.contains("Extensions"))
            return acceptance.deflate
        }
    }

    private static let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

    private static let kept: [(offer: [String], response: String, window: DeflateWindow)] = [
        (["permessage-deflate"], plain, .standard),
        (["permessage-deflate; client_max_window_bits"], plain, .standard),
        (["permessage-deflate;client_max_window_bits=\"10\" ; server_no_context_takeover"], plain, .standard),
        (["permessage-deflate; client_max_window_bits=\"1\\0\""], plain, .standard),
        (["\tpermessage-deflate\t;\tclient_no_context_takeover\t"], plain, .standard),
        (["permessage-deflate; server_max_window_bits=15"], plain + "; server_max_window_bits=15", .standard),
        (["permessage-deflate; server_max_window_bits = 12"], plain + "; server_max_window_bits=12", .standard),
        (["permessage-deflate; server_max_window_bits=\"11\""], plain + "; server_max_window_bits=11", .narrow),
        (["permessage-deflate; server_max_window_bits=8"], plain + "; server_max_window_bits=8", .narrow),
        (["x-webkit-deflate-frame, permessage-deflate"], plain, .standard),
        (["x; permessage-deflate, ,permessage-deflate,"], plain, .standard),
        (["other; a=\"b\"", "permessage-deflate"], plain, .standard),
        (
            ["permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=9"],
            plain + "; server_max_window_bits=9", .narrow
        ),
        (["permessage-deflate; new_in_some_later_rfc", "permessage-deflate"], plain, .standard),
    ]

    @Test("is accepted as far as it can be kept, the first one first", arguments: kept)
    func accepted(offer: [String], response: String, window: DeflateWindow) throws {
        let agreement = try answer(offer).get()
        #expect(agreement?.response == response)
        #expect(agreement?.window == window)
    }

    @Test(
        "is declined when it has a parameter that is unknown, repeated, or wrong",
        arguments: [
            "", "permessage-bzip2", "Permessage-Deflate", "permessage-deflate; x", "permessage-deflate; x=1",
            "permessage-deflate; server_no_context_takeover=1", "permessage-deflate; client_no_context_takeover=true",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
            "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=08",
            "permessage-deflate; server_max_window_bits=+9", "permessage-deflate; server_max_window_bits=x",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=99999999999999999999",
        ]
    )
    func declined(offer: String) throws {
        #expect(try answer([offer]).get() == nil)
    }

    @Test("is passed over where compression is off")
    func off() throws {
        #expect(try answer(["permessage-deflate"], compresses: false).get() == nil)
    }

    @Test(
        "ends the handshake when it is not a list of extensions",
        arguments: [
            ";", "a b", "a;", "a; ;b", "a; b=", "a; b==c", "a; b=\"\"", "a; b=\"c", "a; b=\"c d\"", "a; b=\"c\\",
            "=", "a, \"b\"", "a; b=c d", "a/b",
        ]
    )
    func malformed(line: String) throws {
        #expect(try answer([line]) == .failure(.extensionsInvalid))
        #expect(try answer(["permessage-deflate", line], compresses: false) == .failure(.extensionsInvalid))
    }
}
