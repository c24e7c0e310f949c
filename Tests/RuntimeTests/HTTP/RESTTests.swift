import Foundation
import JSON
import Model
import Runtime
import Synchronization
import Testing

@Suite("REST", .serialized)
struct RESTTests {
    /// One request on a connection of its own: status, headers and body.
    private func call(
        _ fixture: FrontFixture, _ method: String, _ path: String, body: String = "", headers: String = ""
    ) async throws -> (status: String, head: String, body: String) {
        var answer = ""
        try await fixture.connect { connection in
            try await connection.send(
                "\(method) \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n"
                    + headers + "\r\n" + body)
            answer = try await connection.rest()
        }
        let parts = answer.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(answer.dropFirst(9).prefix(3)), String(parts[0]), parts.count == 2 ? String(parts[1]) : "")
    }

    @Test("creates a topic, describes it by either way of writing its slashes, and lists it")
    func topics() async throws {
        try await FrontFixture.run { fixture in
            let made = try await call(fixture, "POST", "/api/v1/topics", body: #"{"name":"a/b c"}"#)
            #expect(made.status == "201")
            for path in ["/api/v1/topics/a%2Fb%20c", "/api/v1/topics/a/b%20c"] {
                let told = try await call(fixture, "GET", path)
                let view = try JSONView(parsing: Array(told.body.utf8))
                #expect(told.status == "200" && view["success"]?.bool == true)
                #expect(view["data"]?["name"]?.string == "a/b c" && view["data"]?["messages"]?.integer == 0)
            }
            let list = try await call(fixture, "GET", "/api/v1/topics?filter=a/%2B")
            #expect(list.body.contains(#""name":"a/b c""#))
        }
    }

    @Test("publishes, and says where the message stands")
    func publishes() async throws {
        try await FrontFixture.run { fixture in
            _ = try await call(fixture, "POST", "/api/v1/topics", body: #"{"name":"t"}"#)
            for offset in 1...2 {
                let told = try await call(
                    fixture, "POST", "/api/v1/topics/t/messages", body: #"{"message":{"n":1},"ack":"none"}"#)
                #expect(told.status == "201" && told.body.contains(#""offset":\#(offset),"#), "\(told)")
            }
        }
    }

    @Test(
        "answers what is wrong with a status, a code and words",
        arguments: [
            ("POST", "/api/v1/topics", "{", "400", "INVALID_MESSAGE"),
            ("POST", "/api/v1/topics", "[1]", "400", "INVALID_MESSAGE"),
            ("POST", "/api/v1/topics", "{}", "400", "INVALID_MESSAGE"),
            ("POST", "/api/v1/topics", #"{"name":"a","name":"b"}"#, "400", "INVALID_MESSAGE"),
            ("POST", "/api/v1/topics", #"{"name":"a/#"}"#, "400", "INVALID_MESSAGE"),
            ("POST", "/api/v1/topics", #"{"name":"a","permission":2097152}"#, "400", "INVALID_MESSAGE"),
            ("GET", "/api/v1/topics?limit=0", "", "400", "INVALID_MESSAGE"),
            ("GET", "/api/v1/topics/nope", "", "404", "TOPIC_NOT_FOUND"),
            ("GET", "/api/v1/topics/%FF", "", "400", "INVALID_MESSAGE"),
            ("POST", "/api/v1/topics/nope/messages", #"{"message":1}"#, "404", "TOPIC_NOT_FOUND"),
            ("POST", "/api/v1/topics/nope/messages", #"{"message":1,"ack":"maybe"}"#, "400", "INVALID_MESSAGE"),
            ("GET", "/api/v1/topics/nope/messages?since=x", "", "400", "INVALID_MESSAGE"),
            ("PUT", "/api/v1/topics/nope", "{}", "400", "INVALID_MESSAGE"),
            ("PUT", "/api/v1/topics/nope/messages", "{}", "405", "NOT_SUPPORTED"),
            ("POST", "/api/v1/auth/login", #"{"username":"x","password":"y"}"#, "401", "AUTH_FAILED"),
            ("POST", "/api/v1/auth/login", #"{"username":"x"}"#, "400", "INVALID_MESSAGE"),
            ("GET", "/nowhere", "", "404", "NOT_FOUND"),
        ])
    func refusals(method: String, path: String, body: String, status: String, code: String) async throws {
        try await FrontFixture.run { fixture in
            let told = try await call(fixture, method, path, body: body)
            let view = try JSONView(parsing: Array(told.body.utf8))
            #expect(told.status == status && view["success"]?.bool == false)
            #expect(view["error"]?["code"]?.string == code && view["error"]?["message"]?.string?.isEmpty == false)
        }
    }

    @Test("refuses a body beyond the limit")
    func large() async throws {
        var settings = FrontSettings()
        settings.messageLimit = 1_024
        try await FrontFixture.run(settings: settings) { fixture in
            let body = #"{"name":"\#(String(repeating: "x", count: 70_000))"}"#
            let told = try await call(fixture, "POST", "/api/v1/topics", body: body)
            #expect(told.status == "413")
        }
    }

    @Test("asks for a token where nobody is anonymous, and hides nothing that probes need")
    func guarded() async throws {
        try await FrontFixture.run(anonymous: nil) { fixture in
            for path in ["/api/v1/topics", "/api/v1/cluster", "/api/v1/topics/t"] {
                let told = try await call(fixture, "GET", path)
                #expect(told.status == "401", "\(path)")
            }
            for path in ["/healthz", "/metrics", "/openapi.json", "/", "/roost.js"] {
                let told = try await call(fixture, "GET", path)
                #expect(told.status == "200", "\(path)")
            }
        }
    }

    @Test("lets pages of this machine read it, and no others")
    func origins() async throws {
        try await FrontFixture.run { fixture in
            let local = try await call(fixture, "GET", "/api/v1/cluster", headers: "Origin: http://127.0.0.1:9\r\n")
            #expect(
                local.status == "200"
                    && local.head.lowercased().contains("access-control-allow-origin: http://127.0.0.1:9"))
            let foreign = try await call(fixture, "GET", "/api/v1/cluster", headers: "Origin: https://evil.example\r\n")
            #expect(
                foreign.status == "403" && foreign.body.contains("PERMISSION_DENIED")
                    && !foreign.head.lowercased().contains("access-control-allow-origin"))
        }
    }

    @Test("writes figures in the exposition format")
    func figures() async throws {
        try await FrontFixture.run { fixture in
            let told = try await call(fixture, "GET", "/metrics")
            #expect(told.head.contains("text/plain; version=0.0.4"))
            #expect(told.body.contains("# TYPE roost_lone gauge\nroost_lone 1\n"))
            let odd = Metric(
                "roost_odd_total", .counter, help: "a\nb",
                samples: [Metric.Sample(0.5, labels: [Metric.Label("who", "a\"b\\c\n")])])
            #expect(
                [odd].exposition == "# HELP roost_odd_total a\\nb\n# TYPE roost_odd_total counter\n"
                    + "roost_odd_total{who=\"a\\\"b\\\\c\\n\"} 0.5\n")
        }
    }

    @Test("refuses what a connection asks beyond its budget, says when to come again, and goes on with it then")
    func budget() async throws {
        let passed = Mutex(Duration.zero)
        let begin = systemClock()
        var settings = FrontSettings()
        settings.clock = {
            Now(monotonic: begin.monotonic + passed.withLock { $0 }, wall: begin.wall)
        }
        (settings.requestsPerSecond, settings.requestBurst) = (1, 3)
        try await FrontFixture.run(settings: settings) { fixture in
            func ask(_ connection: RawConnection, _ request: String, body: String = "") async throws -> (head: String, body: String) {
                try await connection.send(
                    "\(request) HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                        + body)
                return try #require(try await response(connection))
            }
            let (list, publish) = ("GET /api/v1/topics", "POST /api/v1/topics/nope/messages")
            try await fixture.connect { connection in
                #expect(try await ask(connection, list).head.hasPrefix("HTTP/1.1 200 "))
                // What is refused for another reason was a request, too; what is the same for everybody is none.
                #expect(try await ask(connection, publish, body: #"{"message":1}"#).head.hasPrefix("HTTP/1.1 404 "))
                #expect(try await ask(connection, "GET //api/v1/topics").head.hasPrefix("HTTP/1.1 200 "))
                for path in ["/healthz", "/metrics", "/openapi.json", "/"] {
                    #expect(try await ask(connection, "GET \(path)").head.hasPrefix("HTTP/1.1 200 "), "\(path)")
                }
                for _ in 1...2 {
                    let told = try await ask(connection, publish, body: #"{"message":1}"#)
                    #expect(told.head.hasPrefix("HTTP/1.1 429 ") && told.head.lowercased().contains("retry-after: 1"))
                    let view = try JSONView(parsing: Array(told.body.utf8))
                    #expect(view["success"]?.bool == false && view["error"]?["code"]?.string == "RATE_LIMIT_EXCEEDED")
                }
                let told = try await ask(connection, "POST /graphql", body: #"{"query":"{topics{name}}"}"#)
                let errors = try JSONView(parsing: Array(told.body.utf8))["errors"]
                #expect(told.head.hasPrefix("HTTP/1.1 429 ") && told.head.lowercased().contains("retry-after: 1"))
                #expect(errors?.elements().first?["extensions"]?["code"]?.string == "RATE_LIMIT_EXCEEDED")
                // Another connection has a budget of its own.
                try await fixture.connect { other in
                    let (listed, figures) = (try await ask(other, list), try await ask(other, "GET /metrics"))
                    #expect(listed.head.hasPrefix("HTTP/1.1 200 "))
                    #expect(figures.body.contains("\nroost_connections_held_total 3\n"))
                }
                passed.withLock { $0 = .seconds(1) }
                #expect(try await ask(connection, list).head.hasPrefix("HTTP/1.1 200 "))
                #expect(try await ask(connection, list).head.hasPrefix("HTTP/1.1 429 "))
            }
        }
    }
}
