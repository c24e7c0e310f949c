import Broker
import Dialects
import Model
import Testing

@Suite("Daptin's dialect of requests")
struct DaptinRequestTests {
    let bench = DaptinBench()

    @Test("reads who asks, who responds and what is answered")
    func reads() {
        guard
            case .request(let ask) = bench.ask(
                #"{"id":1,"method":"request","attributes":{"topicName":"a","message":{ "x":1},"timeout":1500}}"#)[0]
                .command,
            case .subscribe(let subscribe) = bench.ask(
                #"{"method":"subscribe","attributes":{"topicName":"a","respond":true}}"#)[0].command,
            case .reply(let part) = bench.ask(
                #"{"method":"reply","attributes":{"replyTo":"z","message":null,"done":false}}"#)[0].command,
            case .reply(let end) = bench.ask(#"{"method":"reply","attributes":{"replyTo":"?"}}"#)[0].command
        else {
            Issue.record("something is read otherwise")
            return
        }
        #expect(ask.topic == name("a") && ask.payload == Array(#"{ "x":1}"#.utf8) && ask.patience == .milliseconds(1_500))
        #expect(subscribe.responds)
        #expect(part.replyTo == 35 && part.payload == Array("null".utf8) && !part.isLast)
        #expect(end.replyTo == 0 && end.payload.isEmpty && end.isLast)
    }

    @Test(
        "refuses what is missing or wrong, by its name",
        arguments: [
            (#"{"method":"request","attributes":{"topicName":"a"}}"#, #"\"message\""#),
            (#"{"method":"request","attributes":{"message":1}}"#, #"\"topicName\""#),
            (#"{"method":"request","attributes":{"topicName":"a","message":1,"timeout":0}}"#, #"\"timeout\" is 0"#),
            (#"{"method":"reply","attributes":{"message":1}}"#, #"\"replyTo\" is missing"#),
            (#"{"method":"reply","attributes":{"replyTo":1,"message":1}}"#, #"\"replyTo\" is 1"#),
            (#"{"method":"reply","attributes":{"replyTo":"1","message":1,"done":"yes"}}"#, #"\"done\" is"#),
        ])
    func wrong(message: String, words: String) {
        #expect(bench.refusal(message)?.contains(words) == true)
    }

    @Test("shows a responder the request, and its requester every reply and then the end")
    func writes() {
        let notice = RequestNotice(topic: name("a"), replyTo: 36, user: "ann", payload: Array("{ }".utf8))
        #expect(
            bench.say(.request(notice))
                == #"{"type":"request","topic":"a","replyTo":"10","data":{ },"user":"ann"}"#)
        let request = bench.ask(#"{"id":"q","method":"request","attributes":{"topicName":"a","message":1}}"#)[0]
        let part = RequestProgress.part(name("a"), payload: Array("[1]".utf8), source: "s2", time: time.wall)
        #expect(
            bench.answer(.requested(part), to: request)
                == #"{"type":"event","event":"reply","id":"q","topic":"a","source":"s2","data":[1],"#
                + #""timestamp":"2026-01-31T12:00:00.250Z"}"#)
        #expect(
            bench.answer(.requested(.finished(name("a"), replies: 1)), to: request)
                == #"{"type":"response","id":"q","method":"request","ok":true,"data":{"topicName":"a","replies":1}}"#)
        #expect(
            bench.answer(.refused(.requestFailed(.nobody(name("a")))), to: request).hasSuffix(#""code":"NO_RESPONDER"}"#))
    }

    @Test("in a batch passes replies on as they come, and ends in its place")
    func batch() {
        let requests = bench.ask(
            #"{"id":1,"method":"batch","attributes":{"messages":["#
                + #"{"id":2,"method":"request","attributes":{"topicName":"a","message":1}}]}}"#)
        let part = RequestProgress.part(name("a"), payload: Array("7".utf8), source: "s2", time: time.wall)
        #expect(bench.answer(.requested(part), to: requests[0]).hasPrefix(#"{"type":"event","event":"reply","id":2,"#))
        #expect(
            bench.answer(.requested(.finished(name("a"), replies: 1)), to: requests[0])
                == #"{"type":"response","id":1,"method":"batch","ok":true,"data":["#
                + #"{"type":"response","id":2,"method":"request","ok":true,"data":{"topicName":"a","replies":1}}]}"#)
    }
}
