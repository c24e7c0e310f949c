import Model
import Testing

@Suite("A topic's name")
struct TopicNameTests {
    @Test("makes the name of its dead letters, and is found again in that")
    func deadLetters() throws {
        let name = try TopicName("a/b")
        let letters = try #require(name.deadLetters)
        #expect(letters == (try TopicName("$dead/a/b")) && letters.isSystem && letters.deadLetterSource == name)
        #expect(name.deadLetterSource == nil)
        #expect(try TopicName("$dead/").deadLetterSource == nil && TopicName("$deaf/a").deadLetterSource == nil)
    }

    @Test("has no dead letters where their name would be too long, in bytes")
    func tooLong() throws {
        let longest = try TopicName(String(repeating: "ü", count: 124) + "x")
        #expect(longest.text.utf8.count == TopicName.maximumLengthWithDeadLetters)
        #expect(longest.deadLetters?.text.utf8.count == TopicName.maximumLength)
        #expect(try TopicName(longest.text + "x").deadLetters == nil)
    }
}
