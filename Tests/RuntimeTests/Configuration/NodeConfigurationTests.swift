import Broker
import Model
import Runtime
import Testing

@Suite("A node's configuration")
struct NodeConfigurationTests {
    private func configuration(
        flags: [SettingKey: [String]] = [:], environment: [String: String] = [:], yaml: String = ""
    ) throws(ConfigurationError) -> NodeConfiguration {
        let layers = [
            SettingLayer(place: "the command line", values: flags), try SettingLayer(environment: environment),
            try SettingLayer(yaml: yaml, path: "roost.yaml"),
        ]
        return try NodeConfiguration(layers, hostName: "here", cores: 2)
    }

    @Test("without any setting is a single node on loopback that anybody there may use")
    func defaults() throws {
        let configuration = try configuration()
        #expect(configuration.nodeName == "here" && configuration.cluster == "roost" && configuration.loops == 2)
        let places = [configuration.listen, configuration.gossip, configuration.bus].map(\.description)
        #expect(places == ["127.0.0.1:6336", "127.0.0.1:7336", "127.0.0.1:8336"])
        #expect(configuration.anonymousRole == AccessPolicy.admin && configuration.isOpenToAll)
        #expect(configuration.join.isEmpty && configuration.limits.messageBytes == 1 << 20)
    }

    @Test("takes flags over the environment over the file")
    func layers() throws {
        let yaml = "node-name: file\ncluster: file\ndata: file\nlimits:\n  message-bytes: 2048\njoin: [a:1, 'b:2']\n"
        let configuration = try configuration(
            flags: [.nodeName: ["flag"]],
            environment: [
                "ROOST_NODE_NAME": "env", "ROOST_CLUSTER": "env", "ROOST_LIMITS_CONNECTIONS": "7", "PATH": "/",
            ],
            yaml: yaml)
        #expect(
            configuration.nodeName == "flag" && configuration.cluster == "env" && configuration.dataDirectory == "file")
        #expect(configuration.limits.messageBytes == 2_048 && configuration.limits.connections == 7)
        #expect(configuration.join == [Endpoint(host: "a", port: 1), Endpoint(host: "b", port: 2)])
    }

    @Test("refuses unknown keys and names the nearest one")
    func unknown() {
        #expect(throws: ConfigurationError.unknownKey("listn", place: "roost.yaml", nearest: "listen")) {
            try configuration(yaml: "listn: 127.0.0.1:1")
        }
        #expect(
            throws: ConfigurationError.unknownKey(
                "limits.mesage-bytes", place: "roost.yaml", nearest: "limits.message-bytes")
        ) { try configuration(yaml: "limits: {mesage-bytes: 1}") }
        #expect(throws: ConfigurationError.unknownKey("ROOST_LISTN", place: "the environment", nearest: "ROOST_LISTEN"))
        {
            try configuration(environment: ["ROOST_LISTN": "x"])
        }
        #expect(throws: ConfigurationError.unknownKey("roles.r.raed", place: "roost.yaml", nearest: "read")) {
            try configuration(yaml: "roles: {r: {raed: ['#']}}")
        }
    }

    @Test("leaves variables of client commands and of Kubernetes alone")
    func foreignVariables() throws {
        _ = try configuration(environment: [
            "ROOST_URL": "http://x", "ROOST_TOKEN": "t", "ROOST_SERVICE_HOST": "10.0.0.1",
            "ROOST_PORT": "tcp://10.0.0.1:6336", "ROOST_PORT_6336_TCP_ADDR": "10.0.0.1",
        ])
    }

    @Test(
        "refuses values that a key cannot have, naming it",
        arguments: [
            ("listen", "127.0.0.1"), ("gossip", "127.0.0.1:0"), ("bus", "host:99999"), ("log-level", "loud"),
            ("log-format", "xml"), ("replicas", "0"), ("loops", "two"), ("permission", "nobody"),
            ("anonymous", "ghost"),
            ("node-name", "a b"), ("insecure-bind", "maybe"), ("test-doors", "perhaps"), ("join", "node"),
            ("batched-sends", "true"),
        ])
    func values(key: String, value: String) throws {
        let error = #expect(throws: ConfigurationError.self) { try configuration(yaml: "\(key): '\(value)'") }
        let sentence = try #require(error).description
        #expect(sentence.contains(key) && sentence.contains(value))
    }

    @Test(
        "reads every limit from the file, the environment and flags, and refuses what it cannot be",
        arguments: [
            (SettingKey.messageBytes, "2048", "1023"),
            (.connections, "7", "0"), (.connectionsPerAddress, "7", "-1"),
            (.exemptAddresses, "10.0.0.0/8", "10.0.0.0/33"),
            (.upgradesPerSecond, "7", "1000001"), (.upgradeBurst, "7", "0"),
            (.subscriptions, "7", "0"), (.requestsPerSecond, "7", "x"),
            (.requestBurst, "7", "0"), (.excessSeconds, "7", "0"),
            (.outboundBytes, "16384", "16383"), (.headBytes, "2048", "1023"),
            (.headFields, "10", "9"), (.headSeconds, "7", "0"),
            (.firstMessageSeconds, "7", "0"), (.pingSeconds, "7", "61"),
            (.graphQLDepth, "7", "61"), (.graphQLComplexity, "500", "99"), (.pongSeconds, "31", "29"), (.idleSeconds, "7", "86401"),
        ])
    func limits(key: SettingKey, good: String, bad: String) throws {
        let name = key.rawValue.dropFirst("limits.".count)
        let file = try configuration(yaml: "limits: {\(name): '\(good)'}").limits
        #expect(file != NodeConfiguration.Limits())
        #expect(try configuration(environment: [key.variable: good]).limits == file)
        #expect(try configuration(flags: [key: [good]]).limits == file)
        let error = #expect(throws: ConfigurationError.self) { try configuration(flags: [key: [bad]]) }
        // A ping interval that is too long for the pong's time-out is the relation's fault, and names both.
        #expect(try #require(error).description.contains(key.rawValue))
    }

    @Test("sends together where that pays, unless it is told", arguments: SendBatching.allCases)
    func batching(_ choice: SendBatching) throws {
        #expect(try configuration().batchedSends == .automatic)
        #expect(try configuration(yaml: "batched-sends: \(choice.rawValue)").batchedSends == choice)
    }

    @Test("takes 0 for no limit where a limit may be missing")
    func unlimited() throws {
        let yaml = "limits: {connections-per-address: 0, upgrades-per-second: 0, requests-per-second: 0}"
        let limits = try configuration(yaml: yaml).limits
        #expect(limits.connectionsPerAddress == nil && limits.upgradesPerSecond == nil)
        #expect(limits.requestsPerSecond == nil)
    }

    @Test("reads trusted proxies as addresses and blocks")
    func proxies() throws {
        let given = try configuration(environment: ["ROOST_TRUSTED_PROXIES": "10.0.0.1,2001:db8::/32"]).trustedProxies
        #expect(given == ["10.0.0.1", "2001:db8::/32"].map { AddressBlock($0) })
        #expect(throws: ConfigurationError.self) { try configuration(yaml: "trusted-proxies: [proxy.example]") }
    }

    @Test(
        "refuses YAML of the wrong shape",
        arguments: ["- a\n- b\n", "listen: [a, b]\n", "listen: {a: b}\n", "roles: admin\n", "limits: 5\n", "a: [\n"])
    func shapes(yaml: String) {
        #expect(throws: ConfigurationError.self) { try configuration(yaml: yaml) }
    }

    @Test("refuses addresses beyond this machine without authentication or cluster key, unless told otherwise")
    func protection() throws {
        let wide = "127.0.0.1:1"
        for yaml in [
            "listen: 0.0.0.0:1", "listen: '[::]:1'", "gossip: 10.0.0.1:1", "bus: 10.0.0.1:1", "listen: example.org:1",
        ] {
            let error = #expect(throws: ConfigurationError.self) { try configuration(yaml: yaml) }
            guard case .unprotected = error else { Issue.record("\(yaml): \(String(describing: error))"); continue }
            _ = try configuration(yaml: yaml + "\ninsecure-bind: true")
        }
        _ = try configuration(yaml: "listen: 0.0.0.0:1\nauth-secret-file: s")
        _ = try configuration(yaml: "gossip: 10.0.0.1:1\nbus: 10.0.0.1:2\ncluster-key-file: k")
        _ = try configuration(yaml: "listen: \(wide)\ntls-listen: '[::1]:2'\ntls-certificate-file: c\ntls-key-file: k")
        #expect(throws: ConfigurationError.self) {
            try configuration(yaml: "listen: 0.0.0.0:1\nanonymous: user")
        }
    }

    @Test("opens test doors on this machine's own addresses only")
    func testDoors() throws {
        #expect(try configuration().testDoors == false)
        let here = "test-doors: true\ntls-certificate-file: c\ntls-key-file: k\nauth-secret-file: s\n"
        #expect(try configuration(yaml: here + "tls-listen: '[::1]:2'").testDoors)
        for beyond in ["listen: 0.0.0.0:1", "tls-listen: 10.0.0.1:1", "listen: 0.0.0.0:1\ninsecure-bind: true"] {
            let error = #expect(throws: ConfigurationError.self) { try configuration(yaml: here + beyond) }
            #expect(try #require(error).description.contains("test-doors"))
        }
    }

    @Test("lets nobody be anonymous once there is authentication, unless a role is named")
    func anonymous() throws {
        #expect(try configuration(yaml: "auth-secret-file: s").anonymousRole == nil)
        #expect(try configuration(yaml: "auth-secret-file: s\nanonymous: user").anonymousRole == "user")
    }

    @Test("reads roles, and wants what a setting needs")
    func relations() throws {
        let roles = try configuration(yaml: "roles: {writer: {write: ['chat/#', news], read: '#'}}").access.roles
        #expect(
            roles["writer"] == [
                Grant([.read], on: [.everything]),
                Grant([.write], on: [try TopicFilter("chat/#"), try TopicFilter("news")]),
            ])
        #expect(roles["user"] != nil)
        for yaml in ["tls-listen: 127.0.0.1:1", "users-file: u", "gossip: 0.0.0.0:1\ncluster-key-file: k"] {
            let error = #expect(throws: ConfigurationError.self) { try configuration(yaml: yaml) }
            guard case .missing = error else { Issue.record("\(yaml): \(String(describing: error))"); continue }
        }
    }
}
