import JSON
import Testing

@Suite("A JSON writer")
struct WriterTests {
    @Test("puts commas where they belong")
    func commas() {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("a")
        writer.beginArray()
        writer.integer(-1)
        writer.unsigned(.max)
        writer.beginObject()
        writer.endObject()
        writer.beginArray()
        writer.endArray()
        writer.null()
        writer.endArray()
        writer.key(String("b"))
        writer.bool(true)
        writer.key("c")
        writer.raw(Array("{ \"x\" : 1 }".utf8))
        writer.key("d")
        writer.double(0.5)
        writer.endObject()
        #expect(
            writer.bytes[...].text == #"{"a":[-1,18446744073709551615,{},[],null],"b":true,"c":{ "x" : 1 },"d":0.5}"#)
    }

    @Test("escapes control characters, quotes and backslashes, and nothing else")
    func escapes() throws {
        var writer = JSONWriter()
        writer.string("\"\\/\u{8}\n\r\t\0\u{1F}\u{7F}é\u{2028}😀")
        #expect(writer.bytes[...].text == "\"\\\"\\\\/\\u0008\\n\\r\\t\\u0000\\u001f\u{7F}é\u{2028}😀\"")
        for value in UInt8(0)..<0x80 {
            let text = "x\(Character(Unicode.Scalar(value)))y"
            var writer = JSONWriter()
            writer.string(text)
            #expect(try JSONView(parsing: writer.bytes).string == text)
        }
    }

    @Test("writes numbers that read back as themselves")
    func numbers() throws {
        for value in [0, 1, -1, 10, Int64.max, Int64.min] {
            var writer = JSONWriter()
            writer.integer(value)
            #expect(try JSONView(parsing: writer.bytes).integer == value)
        }
        for value in [0.0, -0.0, 0.1, 1e300, -.leastNonzeroMagnitude, 1.7976931348623157e308, 123_456_789.125] {
            var writer = JSONWriter()
            writer.double(value)
            #expect(try JSONView(parsing: writer.bytes).double == value)
        }
    }

    @Test("writes null for a double that JSON cannot say", arguments: [Double.nan, .infinity, -.infinity])
    func nonFinite(value: Double) {
        var writer = JSONWriter()
        writer.double(value)
        #expect(writer.bytes[...].text == "null")
    }
}
