import JSON
import Testing

@Suite("A JSON view")
struct ViewTests {
    @Test("keeps the bytes of every part as they were sent")
    func bytes() throws {
        let view = try json(#" { "a" : [ 1.0 , "x\u0041" ], "b":{ "c" : null} } "#)
        #expect(view.bytes.text == #"{ "a" : [ 1.0 , "x\u0041" ], "b":{ "c" : null} }"#)
        #expect(view["a"]?.bytes.text == #"[ 1.0 , "x\u0041" ]"#)
        #expect(view["a"]?.elements().map(\.bytes.text) == ["1.0", #""x\u0041""#])
        #expect(view["b"]?["c"]?.isNull == true)
        #expect(view["c"] == nil)
    }

    @Test("resolves escapes in strings")
    func strings() throws {
        #expect(try json(#""plain""#).string == "plain")
        #expect(
            try json(#""\"\\\/\b\f\n\r\t\u0041\u00e9\u6f22\ud83d\ude00\u0000""#).string == "\"\\/\u{8}\u{C}\n\r\tAé漢😀\0"
        )
        #expect(try json(#""\uD800\uDC00\uDBFF\uDFFF""#).string == "\u{10000}\u{10FFFF}")
        #expect(try json("1").string == nil)
        #expect(try json(#""publ\u0069sh""#).isString("publish"))
        #expect(try !json(#""publis""#).isString("publish"))
        #expect(try !json("\"e\u{301}\"").isString("é"), "code points decide, not canonical equivalence")
    }

    @Test("reads integers exactly or not at all")
    func integers() throws {
        #expect(try json("9223372036854775807").integer == .max)
        #expect(try json("-9223372036854775808").integer == .min)
        #expect(try json("9223372036854775808").integer == nil)
        #expect(try json("-9223372036854775809").integer == nil)
        #expect(try json("18446744073709551615").unsigned == .max)
        #expect(try json("18446744073709551616").unsigned == nil)
        #expect(try json("-1").unsigned == nil)
        #expect(try json("-0").integer == 0)
        for text in ["1.0", "1e3", "\"1\"", "true", "[1]"] { #expect(try json(text).integer == nil) }
    }

    @Test("reads doubles within their range")
    func doubles() throws {
        #expect(try json("-1.5e3").double == -1500)
        #expect(try json("0.1").double == 0.1)
        #expect(try json("1e400").double == nil)
        #expect(try json("1e-400").double == 0)
        #expect(try json("\"1\"").double == nil)
    }

    @Test("knows its booleans and null")
    func literals() throws {
        #expect(try json("true").bool == true)
        #expect(try json("false").bool == false)
        #expect(try json("null").bool == nil)
        #expect(try json("null").isNull)
        #expect(try !json("0").isNull)
    }

    @Test("gives members in order, duplicates included, and refuses them on request")
    func members() throws {
        let view = try json(#"{"b":1,"a":{"x":1,"x":2},"\u0062":3}"#)
        #expect(view.members().map(\.key) == ["b", "a", "b"])
        #expect(view["b"]?.integer == 1, "the first wins")
        #expect(throws: JSONError.duplicateKey("b", offset: 25)) { try view.uniqueMembers() }
        #expect(try json(#"{"a":{"x":1,"x":2},"b":3}"#).uniqueMembers().map(\.key) == ["a", "b"])
        #expect(throws: JSONError.wrongKind(found: .array, expected: .object, offset: 0)) {
            try json("[]").uniqueMembers()
        }
    }

    @Test("does not take canonically equivalent keys for one")
    func equivalentKeys() throws {
        let view = try json("{\"e\u{301}\":1,\"é\":2}")
        #expect(view["é"]?.integer == 2)
        #expect(try view.uniqueMembers().count == 2)
    }

    @Test("finds wanted fields in one pass, in the order asked for")
    func fields() throws {
        let view = try json(#"{"type":"publish","payload":{"type":1,"type":2},"\u0069d":7,"other":1,"other":2,"":0}"#)
        let found = try view.fields(["id", "type", "missing", "payload", ""])
        #expect(found.map { $0?.bytes.text } == ["7", #""publish""#, nil, #"{"type":1,"type":2}"#, "0"])
        #expect(throws: JSONError.duplicateKey("other", offset: 70)) { try view.fields(["type", "other"]) }
        #expect(throws: JSONError.self) { try json("3").fields(["type"]) }
        #expect(try json("{}").fields(["a"]).count == 1)
    }

    @Test("handles the empty containers, however they are spaced", arguments: ["[]", "[ ]", "{}", "{\n}"])
    func empty(text: String) throws {
        let view = try json(text)
        #expect(view.elements().isEmpty)
        #expect(view.members().isEmpty)
        #expect(view["a"] == nil)
    }

    @Test(
        "means the same, however it is written",
        arguments: [
            ("1", "1.0"), ("1e2", "100"), ("100", "1E+2"), ("-0", "0"), ("0e5", "0.000"), ("0.1", "1e-1"),
            ("12.50", "1250e-2"),
            (#""A""#, #""\u0041""#), (#"{"a":1,"b":[2]}"#, #"{ "b" : [ 2.0 ], "\u0061" : 1 }"#), ("[]", "[ ]"),
            ("true", " true"),
            (#"{"a":1,"a":2}"#, #"{"a":1.0,"a":2.0}"#), ("1e99999999999999999999", "1e99999999999999999999"),
        ]
    )
    func equal(left: String, right: String) throws {
        #expect(try json(left).structurallyEquals(json(right)))
        #expect(try json(right).structurallyEquals(json(left)))
    }

    @Test(
        "differs where the meaning does",
        arguments: [
            ("1", "2"), ("1", "-1"), ("1", "10"), ("9007199254740993", "9007199254740992"),
            ("0.1", "0.10000000000000001"),
            ("1", "\"1\""), ("[1,2]", "[2,1]"), ("[1]", "[1,1]"), (#"{"a":1}"#, #"{"a":1,"b":1}"#),
            (#"{"a":1}"#, #"{"b":1}"#),
            ("null", "false"), ("true", "false"), ("{}", "[]"), ("\"e\u{301}\"", "\"é\""),
            (#"{"a":1,"a":2}"#, #"{"a":2,"a":1}"#),
        ]
    )
    func different(left: String, right: String) throws {
        #expect(try !json(left).structurallyEquals(json(right)))
        #expect(try !json(right).structurallyEquals(json(left)))
    }
}
