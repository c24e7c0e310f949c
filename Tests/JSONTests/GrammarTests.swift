import JSON
import Testing

@Suite("The JSON grammar")
struct GrammarTests {
    @Test(
        "accepts what RFC 8259 allows",
        arguments: [
            "0", "-0", "10", "-1.5e+10", "1E5", "2.0", "true", "false", "null", "\"\"", "[]", "{}", " [ ] ", "\t{\r\n}",
            "[1,2 , 3]", "{\"a\":{\"a\":[]}}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"", "\"\\ud83d\\ude00\"",
            "\"é ß 漢 😀 \u{7F} \u{10FFFF}\"", "\"\\u0000\"", "1e400", "123456789012345678901234567890",
        ]
    )
    func accepts(text: String) {
        #expect(refusal(of: text) == nil)
    }

    @Test(
        "refuses what RFC 8259 does not, and says where",
        arguments: [
            ("", 0), (" ", 1), ("[", 1), ("[1", 2), ("[1,", 3), ("[1,]", 3), ("[,1]", 1), ("{", 1), ("{\"a\"", 4),
            ("{\"a\":}", 5), ("{\"a\":1,}", 7), ("{a:1}", 1), ("{\"a\" 1}", 5), ("[1 2]", 3), ("[1}", 2),
            ("{\"a\":1]", 6),
            ("01", 1), ("-", 1), ("-a", 1), ("1.", 2), ("1.x", 2), (".5", 0), ("+1", 0), ("1e", 2), ("1e+", 3),
            ("NaN", 0),
            ("Infinity", 0), ("tru", 3), ("trux", 3), ("True", 0), ("nul", 3), ("'a'", 0), ("\"a", 2), ("\"\\", 2),
            ("\"\\x\"", 2), ("\"\\u12g4\"", 5), ("\"\\u12", 5), ("\"a\nb\"", 2), ("\"\t\"", 1),
            ("\"12345678\u{1}\"", 9),
            ("1 1", 2), ("{}{}", 2), ("null,", 4), ("\u{FEFF}1", 0), ("// a\n1", 0), ("[1]//", 3),
        ]
    )
    func refuses(text: String, offset: Int) {
        #expect(refusal(of: text)?.offset == offset)
    }

    @Test(
        "refuses half a surrogate pair in escapes",
        arguments: [
            "\\ud800", "\\udc00", "\\ud800\\ud800", "\\ud800x", "\\ud800\\n", "\\udbff\\u0041", "\\ude00\\ud83d",
        ]
    )
    func surrogates(content: String) {
        #expect(refusal(of: "\"\(content)\"") == .unpairedSurrogate(offset: 1))
    }

    @Test(
        "refuses bytes that are not UTF-8",
        arguments: [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xFF],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x28, 0xA1],
            [0xF0, 0x9F, 0x98],
        ] as [[UInt8]]
    )
    func invalidUTF8(content: [UInt8]) {
        #expect(refusal(of: [0x22] + content + [0x22]) == .invalidUTF8(offset: 1))
        #expect(refusal(of: [0x22] + content) != nil, "also where the text ends behind the bytes")
        #expect(refusal(of: Array("\"long enough for words ".utf8) + content + [0x22]) == .invalidUTF8(offset: 23))
    }

    @Test("accepts the first and last scalar of every UTF-8 length")
    func validUTF8() {
        for scalar in ["\u{80}", "\u{7FF}", "\u{800}", "\u{D7FF}", "\u{E000}", "\u{FFFF}", "\u{10000}", "\u{10FFFF}"] {
            #expect(refusal(of: "\"\(scalar)\"") == nil)
        }
    }

    @Test("refuses more levels than the limit, and no fewer")
    func depth() {
        func nested(_ levels: Int) -> [UInt8] {
            Array((String(repeating: "[", count: levels) + String(repeating: "]", count: levels)).utf8)
        }
        #expect(refusal(of: nested(64)) == nil)
        #expect(refusal(of: nested(65)) == .tooDeep(offset: 64, limit: 64))
        #expect(refusal(of: nested(100_000)) == .tooDeep(offset: 64, limit: 64))
        #expect(refusal(of: nested(3), depthLimit: 2) == .tooDeep(offset: 2, limit: 2))
        #expect(refusal(of: Array("{\"a\":[{}]}".utf8), depthLimit: 2) == .tooDeep(offset: 6, limit: 2))
        #expect(refusal(of: Array("1".utf8), depthLimit: 0) == nil)
    }

    @Test("says what was wrong and what would be right")
    func descriptions() {
        #expect(refusal(of: "{\"a\":1,}")?.description == "unexpected '}' at byte 7, expected a key in double quotes")
        #expect(refusal(of: "[1")?.description == "the text ends at byte 2, expected ',' or ']'")
        #expect(refusal(of: "\"\n\"")?.description == "byte 0x0A in a string at byte 1, expected it escaped")
        #expect(refusal(of: "1 2")?.description == "more text after the value at byte 2, expected its end")
    }
}
