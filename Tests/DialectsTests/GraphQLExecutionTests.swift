import Broker
import Dialects
import Model
import Testing

@Suite("A GraphQL request")
struct GraphQLExecutionTests {
    private func topics(_ command: Command) -> Reply {
        switch command {
        case .listTopics: .topics([definition("a"), definition("b")], more: false)
        case .describeTopic(let topic): description(topic.text, messages: UInt64(topic.text.utf8.count))
        default: .refused(.internal("not asked in this test"))
        }
    }

    @Test("selects with aliases, fragments, directives and variables, in the order in which it was written")
    func selections() {
        let query = """
            query Q($yes: Boolean!, $no: Boolean = false) {
              second: topics { ...Facts name @skip(if: $yes) owner @include(if: $no) }
              __typename
              topics { ... on Topic { retention { messages seconds } } ... @include(if: $yes) { kind } }
            }
            fragment Facts on Topic { generation ...More }
            fragment More on Topic { created }
            """
        let facts = #"{"generation":1,"created":"2026-01-31T12:00:00.250Z"}"#
        let rest = #"{"retention":{"messages":10,"seconds":null},"kind":"STREAM"}"#
        #expect(
            graphQL(query, variables: #"{"yes":true}"#, operation: "Q", topics)
                == #"{"data":{"second":[\#(facts),\#(facts)],"__typename":"Query","topics":[\#(rest),\#(rest)]}}"#)
    }

    @Test("merges what is selected twice under one key, and asks once for all details of a topic")
    func merging() {
        var asked = 0
        let said = graphQL("{ topics { name } topics { messages bytes messages } }") { command in
            asked += 1
            return topics(command)
        }
        #expect(
            said
                == #"{"data":{"topics":[{"name":"a","messages":1,"bytes":40},{"name":"b","messages":1,"bytes":40}]}}"#)
        #expect(asked == 3)
    }

    @Test("reads every kind of value, in the document and by variables, byte for byte where any JSON may stand")
    func values() {
        func published(_ query: String, _ variables: String = "{}") -> Command.Publish? {
            var found: Command.Publish?
            _ = graphQL(query, variables: variables) { command in
                if case .publish(let publish) = command { found = publish }
                return .refused(.rateLimited)
            }
            return found
        }
        let literal = #"mutation { publish(topic: "t", message: {a: [1, -2.50e3, "x\n\u00e9", null, true, RED], b: {}}) { id } }"#
        #expect(
            published(literal).map { String(decoding: $0.payload, as: UTF8.self) }
                == #"{"a":[1,-2.50e3,"x\né",null,true,"RED"],"b":{}}"#)
        let block = "mutation { publish(topic: \"t\", message: \"\"\"\n    one\n      two \\\"\"\"\n\n    \"\"\") { id } }"
        #expect(published(block).map { String(decoding: $0.payload, as: UTF8.self) } == #""one\n  two \"\"\"""#)
        let variable = "mutation ($m: JSON!, $k: String) { publish(topic: \"t\", message: $m, key: $k, ttl: 7) { id } }"
        let raw = published(variable, #"{"m": { "b" : 1.50, "a":"\u00e9" }, "k": null}"#)
        #expect(raw.map { String(decoding: $0.payload, as: UTF8.self) } == #"{ "b" : 1.50, "a":"\u00e9" }"#)
        #expect(raw?.key == nil && raw?.timeToLive == .milliseconds(7) && raw?.acknowledgement == .accepted)
        let inside = published(
            "mutation ($n: Int) { publish(topic: \"t\", message: {n: $n}, ack: STORED, event: \"e\") { id } }", #"{"n": 3}"#)
        #expect(inside.map { String(decoding: $0.payload, as: UTF8.self) } == #"{"n":3}"#)
        #expect(inside?.acknowledgement == .stored && inside?.event == "e")
        let alone = published("mutation ($n: Int!) { publish(topic: \"t\", message: $n) { id } }", #"{"n": 3}"#)
        #expect(alone.map { String(decoding: $0.payload, as: UTF8.self) } == "3")
    }

    @Test("tells a refused field by its path, its place and a code, and gives the others", arguments: refusals)
    func refused(refusal: Refusal) {
        let said = graphQL("{\n  a: topic(name: \"x\") { name }\n  topics { name }\n}") { command in
            if case .describeTopic = command { .refused(refusal) } else { topics(command) }
        }
        let sentence = refusal.sentence.replacing("\"", with: "\\\"")
        #expect(
            said == #"{"data":{"a":null,"topics":[{"name":"a"},{"name":"b"}]},"errors":[{"message":"\#(sentence)","#
                + #""locations":[{"line":2,"column":3}],"path":["a"],"extensions":{"code":"\#(refusal.code)"}}]}"#)
    }

    @Test("becomes null up to the nearest place that may be")
    func nulls() {
        let said = graphQL("{ topics { name messages } }") { command in
            if case .describeTopic = command { .refused(.rateLimited) } else { topics(command) }
        }
        #expect(said.hasPrefix(#"{"data":null,"errors":[{"message":"too many messages: slow down""#))
        #expect(said.contains(#""path":["topics",1,"messages"]"#))
    }

    @Test(
        "is refused with a place when it is wrong",
        arguments: [
            ("", "Syntax Error: expected an operation"), ("{", "Syntax Error: expected a field"),
            ("{ a(", "Syntax Error: expected an argument's name"), ("{ topics { name } } }", "Syntax Error"),
            ("{ topics(limit: 01) { name } }", "no leading zeros"), ("{ topics(filter: \"a) { name } }", "does not end"),
            ("{ topics(filter: \"\\x\") { name } }", "is no escape"), ("query { ...F } fragment F on Query { ...F }", "within itself"),
            ("{ nothing }", "Cannot query field \"nothing\" on type \"Query\"."),
            ("{ topics }", "must have a selection of subfields"), ("{ cluster { name { x } } }", "must not have a selection"),
            ("{ topics(colour: 1) { name } }", "Unknown argument \"colour\""),
            ("{ topic { name } }", "is required, but it was not provided"),
            ("{ topics(limit: \"x\") { name } }", "Int cannot represent"),
            ("{ topics(limit: 3000000000) { name } }", "Int cannot represent"),
            ("query ($a: Int) { topics { name } }", "\"$a\" is never used"),
            ("{ topics(limit: $a) { name } }", "\"$a\" is not defined"),
            ("query ($a: String) { topics(limit: $a) { name } }", "used in position expecting type"),
            ("query ($a: Topic) { topics(limit: $a) { name } }", "cannot be non-input type"),
            ("query ($a: What) { topics(limit: $a) { name } }", "Unknown type \"What\""),
            ("{ ...F }", "Unknown fragment \"F\""), ("{ __typename } fragment F on Query { __typename }", "is never used"),
            ("{ ... on Topic { name } }", "can never be of type"), ("{ topics @what { name } }", "Unknown directive"),
            ("{ topics @skip { name } }", "is required"), ("query A { __typename } query A { __typename }", "only one operation named"),
            ("{ __typename } query A { __typename }", "must be the only defined operation"),
            ("{ a: topic(name: \"x\") { name } a: topic(name: \"y\") { name } }", "conflict"),
            ("subscription { metricUpdated { cpu } messages(topic: \"t\") { id } }", "only one top level field"),
            ("mutation { createTopic(name: \"t\", kind: CIRCLE) { name } }", "does not exist in \"TopicKind\""),
            ("mutation { createTopic(name: \"t\", retention: {years: 1}) { name } }", "is not defined by type"),
        ])
    func invalid(query: String, words: String) {
        let said = graphQL(query)
        #expect(said.hasPrefix(#"{"errors":[{"message":""#), "\(said)")
        #expect(said.replacing("\\\"", with: "\"").contains(words), "\(said)")
    }

    @Test("is refused when a variable is missing or wrong")
    func variables() {
        let query = "query ($n: String!) { topic(name: $n) { name } }"
        #expect(graphQL(query).contains("was not provided"))
        #expect(graphQL(query, variables: #"{"n": null}"#).contains("not to be null"))
        #expect(graphQL(query, variables: #"{"n": 7}"#).contains("String cannot represent 7"))
        #expect(graphQL(query, variables: #"{"n": "x"}"#, topics).contains(#""name":"x""#))
        #expect(graphQL(query, variables: "[]").contains(#"\"variables\" must be an object"#))
    }

    @Test("is refused when it is deeper or may come to more than the limits say, however it is written")
    func limits() {
        var limits = GraphQLLimits()
        limits.depth = 3
        let deep = "{ __schema { types { fields { name } } } }"
        #expect(graphQL(deep, limits: limits).contains("deeper than 3 levels"))
        limits.depth = 4
        #expect(graphQL(deep, limits: limits).hasPrefix(#"{"data":{"__schema""#))
        limits.complexity = 1_011
        #expect(graphQL("{ topics(limit: 1001) { name } }", limits: limits, topics).hasPrefix(#"{"data""#))
        #expect(graphQL("{ topics(limit: 1002) { name } }", limits: limits, topics).contains("QUERY_TOO_COMPLEX"))
        let variable = "query ($n: Int) { topics(limit: $n) { name } }"
        #expect(graphQL(variable, variables: #"{"n": 2000}"#, limits: limits).contains("QUERY_TOO_COMPLEX"))
        #expect(graphQL("{ topics(limit: 100) { messages } }", limits: limits, topics).hasPrefix(#"{"data""#))
        // Fragments that double with each level are seen through before they are spread.
        let bomb = (0..<30).map { "fragment F\($0) on __Type { a: ofType { ...F\($0 + 1) } b: ofType { ...F\($0 + 1) } }" }
        let query = "{ __type(name: \"Topic\") { ...F0 } } \(bomb.joined()) fragment F30 on __Type { name }"
        #expect(graphQL(query).contains("QUERY_TOO_COMPLEX"))
        #expect(graphQL(String(repeating: "{a", count: 100)).contains("nests deeper"))
        limits.resultBytes = 100
        #expect(graphQL("{ __schema { types { name } } }", limits: limits).contains("RESULT_TOO_LARGE"))
    }

    @Test("sees the whole schema by introspection, wrapped types and defaults included")
    func introspection() {
        let said = graphQL(
            #"{ __type(name: "Query") { kind fields { name args { name defaultValue } type { kind ofType { kind ofType { name } } } } } }"#)
        #expect(
            said.hasPrefix(
                #"{"data":{"__type":{"kind":"OBJECT","fields":[{"name":"topics","args":[{"name":"filter","defaultValue":null},"#
                    + #"{"name":"limit","defaultValue":"100"},{"name":"after","defaultValue":null}],"#
                    + #""type":{"kind":"NON_NULL","ofType":{"kind":"LIST","ofType":{"name":null}}}}"#), "\(said)")
        #expect(graphQL(#"{ __type(name: "Nothing") { name } }"#) == #"{"data":{"__type":null}}"#)
        #expect(graphQL("{ __schema { queryType { name } subscriptionType { name } directives { name } } }")
            == #"{"data":{"__schema":{"queryType":{"name":"Query"},"subscriptionType":{"name":"Subscription"},"directives":[{"name":"skip"},{"name":"include"}]}}}"#)
    }

    @Test("never stops the program, whatever it is")
    func garbage() {
        var random = RandomSource(seed: 7)
        let seeds = [
            "query Q($a: Int! = 1) { a: topics(limit: $a) { ...F } } fragment F on Topic { name }",
            "mutation { publish(topic: \"t\", message: {a: [\"\"\"x\"\"\", 1.5e3, null]}) { id ... @include(if: false) { ack } } }",
            "{ __schema { types { fields { type { ofType { name } } } } } topics { messages } history(topic: \"a\") { more } }",
        ].map { Array($0.utf8) }
        var accepted = 0
        for round in 0..<3_000 {
            var bytes = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0x09...0x7E, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 7)], at: place)
                }
            }
            if bytes.withUnsafeBytes({ fuzzGraphQL($0) }) { accepted += 1 }
        }
        #expect(accepted > 100, "most of what is tried should reach beyond the parser")
    }
}
