import Broker
import Dialects
import Model
import Testing

@Suite("Daptin's dialect of presence")
struct DaptinPresenceTests {
    let bench = DaptinBench()
    private let entry = PresenceEntry(user: "ann", since: time.wall, state: Array(#"{ "mood": 1 }"#.utf8))

    private func event(
        _ what: PresenceEvent.What, _ kind: PresencePlace.Kind = .member, _ entry: PresenceEntry? = nil
    ) -> PresenceEvent {
        let key = PresenceKey(kind, in: name("chat"), connection: "s2")
        return PresenceEvent(what, key, entry ?? self.entry, node: "node-b", count: 2)
    }

    @Test("reads who wants to be a member, to know who is one, to say something of itself, and to type")
    func reads() {
        guard
            case .subscribe(let subscribe) = bench.ask(
                #"{"method":"subscribe","attributes":{"topicName":"a","presence":true}}"#)[0].command,
            case .presence(name("a")) = bench.ask(#"{"method":"presence","attributes":{"topicName":"a"}}"#)[0].command,
            case .setPresence(name("a"), let state) = bench.ask(
                #"{"method":"set-presence","attributes":{"topicName":"a","state":{ "x":1}}}"#)[0].command,
            case .setPresence(name("a"), []) = bench.ask(
                #"{"method":"set-presence","attributes":{"topicName":"a","state":null}}"#)[0].command,
            case .typing(name("a"), true, []) = bench.ask(
                #"{"method":"typing","attributes":{"topicName":"a"}}"#)[0].command,
            case .typing(name("a"), false, []) = bench.ask(
                #"{"method":"typing","attributes":{"topicName":"a","typing":false}}"#)[0].command
        else {
            Issue.record("something is read otherwise")
            return
        }
        #expect(subscribe.presence == .member && state == Array(#"{ "x":1}"#.utf8))
        #expect(bench.refusal(#"{"method":"typing","attributes":{"topicName":"a","typing":1}}"#) != nil)
    }

    @Test("lists the members with what they say of themselves, or how many there are")
    func lists() {
        let request = bench.ask(#"{"id":1,"method":"presence","attributes":{"topicName":"chat"}}"#)[0]
        let members = [
            PresenceList.Member(node: "node-b", connection: "s2", entry: entry),
            PresenceList.Member(node: "node-a", connection: "s3", entry: PresenceEntry(user: "", since: time.wall)),
        ]
        #expect(
            bench.answer(.presence(name("chat"), PresenceList(members: members, count: 2)), to: request)
                == #"{"type":"response","id":1,"method":"presence","ok":true,"data":{"members":["#
                + #"{"user":"ann","node":"node-b","connection":"s2","since":"2026-01-31T12:00:00.250Z","#
                + #""state":{ "mood": 1 }},"#
                + #"{"user":"","node":"node-a","connection":"s3","since":"2026-01-31T12:00:00.250Z"}],"count":2}}"#)
        #expect(
            bench.answer(.presence(name("chat"), PresenceList(members: [], count: 201)), to: request)
                == #"{"type":"response","id":1,"method":"presence","ok":true,"data":{"count":201}}"#)
    }

    @Test("tells who comes, changes, goes and types, and how many there are in a crowd")
    func tells() {
        let plain = PresenceEntry(user: "ann", since: time.wall)
        let who = #""data":{"user":"ann","node":"node-b","connection":"s2"}}"#
        #expect(
            bench.say(.presence(event(.joined, .member, plain)))
                == #"{"type":"presence","topic":"chat","event":"join",\#(who)"#)
        #expect(bench.say(.presence(event(.updated)))?.hasSuffix(#""connection":"s2","state":{ "mood": 1 }}}"#) == true)
        #expect(
            bench.say(.presence(event(.left, .member, plain)))
                == #"{"type":"presence","topic":"chat","event":"leave",\#(who)"#)
        #expect(
            bench.say(.presenceCount(name("chat"), 201))
                == #"{"type":"presence","topic":"chat","event":"count","data":{"members":201}}"#)
        #expect(
            bench.say(.typing(event(.joined, .typing, plain)))
                == #"{"type":"typing","topic":"chat","event":"start",\#(who)"#)
        #expect(
            bench.say(.typing(event(.left, .typing, plain)))
                == #"{"type":"typing","topic":"chat","event":"stop",\#(who)"#)
    }
}
