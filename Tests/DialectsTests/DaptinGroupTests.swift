import Broker
import Dialects
import Model
import Testing

@Suite("Daptin's dialect of queue groups")
struct DaptinGroupTests {
    let bench = DaptinBench()

    @Test("reads who is a member, and what is acknowledged")
    func reads() {
        guard
            case .subscribe(let plain) = bench.ask(
                #"{"method":"subscribe","attributes":{"topicName":"a","group":"g"}}"#)[0].command,
            case .subscribe(let careful) = bench.ask(
                #"{"method":"subscribe","attributes":{"topicName":"a","group":"g","ack":true,"ackTimeout":500}}"#)[0]
                .command,
            case .acknowledge(35) = bench.ask(#"{"method":"ack","attributes":{"ackId":"z"}}"#)[0].command,
            case .acknowledge(0) = bench.ask(#"{"method":"ack","attributes":{"ackId":"?"}}"#)[0].command
        else {
            Issue.record("something is read otherwise")
            return
        }
        #expect(plain.group == Command.GroupWish(name: "g"))
        #expect(careful.group == Command.GroupWish(name: "g", acknowledges: true, patience: .milliseconds(500)))
    }

    @Test(
        "refuses what does not go together, by its name",
        arguments: [
            (#"{"method":"subscribe","attributes":{"topicName":"a","ack":true}}"#, #"\"group\""#),
            (#"{"method":"subscribe","attributes":{"topicName":"a","group":"g","ackTimeout":500}}"#, #"\"ackTimeout\""#),
            (#"{"method":"subscribe","attributes":{"topicName":"a","group":7}}"#, #"\"group\" is 7"#),
            (
                #"{"method":"subscribe","attributes":{"topicName":"a","group":"g","ack":true,"ackTimeout":1}}"#,
                #"\"ackTimeout\" is 1"#
            ),
            (#"{"method":"ack","attributes":{}}"#, #"\"ackId\" is missing"#),
            (#"{"method":"ack","attributes":{"ackId":1}}"#, #"\"ackId\" is 1"#),
        ])
    func wrong(message: String, words: String) {
        #expect(bench.refusal(message)?.contains(words) == true)
    }

    @Test("writes what a member is given, with what it is acknowledged by where it must be")
    func writes() {
        let message = Message(
            topic: name("a"), generation: 1, offset: 3, event: "new-message", key: nil, publisher: "", source: "s1",
            messageID: nil, expiry: nil, payload: Array("7".utf8))
        let record = Record(
            origin: partition.origin, slot: .system, position: 1, time: time, seen: 0, body: .message(message))
        let item = Sequenced(sequence: 0, record: record)
        let plain = bench.say(.work(WorkNotice(item: item, group: "g", attempt: 1, acknowledgementID: nil)))
        #expect(plain?.hasPrefix(#"{"type":"event","topic":"a","event":"new-message","source":"s1","data":7,"#) == true)
        #expect(plain?.hasSuffix(#""offset":3,"timestamp":"2026-01-31T12:00:00.250Z","group":"g"}"#) == true)
        let careful = bench.say(.work(WorkNotice(item: item, group: "g", attempt: 2, acknowledgementID: 36)))
        #expect(careful?.hasSuffix(#","group":"g","attempt":2,"ackId":"10"}"#) == true)
        let request = bench.ask(#"{"id":1,"method":"ack","attributes":{"ackId":"10"}}"#)[0]
        #expect(
            bench.answer(.acknowledged(36), to: request)
                == #"{"type":"response","id":1,"method":"ack","ok":true,"data":{"ackId":"10"}}"#)
    }
}
