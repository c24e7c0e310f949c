import Broker
import Model

extension NodeConfiguration {
    /// What clients may use. Every limit has a key in the section `limits`.
    package struct Limits: Sendable, Equatable {
        /// Bytes of a message; default 1 MiB.
        package var messageBytes = 1 << 20
        /// Connections of the node; default 100,000.
        package var connections = 100_000
        /// Connections of one address; default 10,000; nil for no limit.
        package var connectionsPerAddress: Int? = 10_000
        /// Addresses without that limit; default this machine's own.
        package var exemptAddresses = AddressBlock.loopback
        /// Upgrades a second of the node; default 5,000; nil for no limit.
        package var upgradesPerSecond: Int? = 5_000
        /// Upgrades at once; default 10,000.
        package var upgradeBurst = 10_000
        /// Subscriptions of a connection; default 10,000.
        package var subscriptions = 10_000
        /// Requests a second of a connection; nil, the default, for no limit.
        package var requestsPerSecond: Int?
        /// Requests of a connection at once; default those of one second.
        package var requestBurst: Int?
        /// How long a connection may go on being over its requests a second; default 10 s.
        package var excess: Duration = .seconds(10)
        /// Bytes that may wait for a connection before it is fed from the log; default 256 KiB.
        package var outboundBytes = 262_144
        /// Bytes of a request's head; default 16 KiB.
        package var headBytes = 16_384
        /// Header lines of a request; default 100.
        package var headFields = 100
        /// How deep a GraphQL request may be; default 20.
        package var graphQLDepth = 20
        /// What a GraphQL request may come to, in fields; default 20,000.
        package var graphQLComplexity = 20_000
        /// How long the first head of a connection may take, a TLS handshake included; default 10 s.
        package var head: Duration = .seconds(10)
        /// How long a client that brought no token may take to authenticate; default 10 s.
        package var firstMessage: Duration = .seconds(10)
        /// Between two pings; default 30 s.
        package var ping: Duration = .seconds(30)
        /// How long a client may leave a ping unanswered; default 60 s.
        package var pong: Duration = .seconds(60)
        /// How long an HTTP connection may be idle; default 60 s.
        package var idle: Duration = .seconds(60)

        /// How long a query in SQL may take; default 60 s.
        package var queryTime: Duration = .seconds(60)
        /// Rows of a query's result; default 1,000,000.
        package var queryRows = 1_000_000
        /// Bytes of the messages that a query reads; default 1 GiB.
        package var queryBytes = 1 << 30
        /// Queries of the node under way; default 64.
        package var queries = 64

        package init() {}

        /// The most that a message may be set to: frames of the bus hold 2 MiB with everything around it.
        package static let largestMessage = 1_835_008
        /// The longest of all times: a day.
        private static let longestSeconds = 86_400

        /// Reads the section `limits`.
        init(_ reader: SettingReader) throws(ConfigurationError) {
            self.init()
            try readSizes(reader)
            try readRates(reader)
            try readTimes(reader)
        }

        private mutating func readSizes(_ reader: SettingReader) throws(ConfigurationError) {
            messageBytes = try reader.number(.messageBytes, in: 1_024...Self.largestMessage) ?? messageBytes
            connections = try reader.number(.connections, in: 1...10_000_000) ?? connections
            connectionsPerAddress =
                try reader.limit(.connectionsPerAddress, in: 1...10_000_000) ?? connectionsPerAddress
            exemptAddresses = try reader.blocks(.exemptAddresses) ?? exemptAddresses
            subscriptions = try reader.number(.subscriptions, in: 1...1_000_000) ?? subscriptions
            outboundBytes = try reader.number(.outboundBytes, in: 16_384...67_108_864) ?? outboundBytes
            headBytes = try reader.number(.headBytes, in: 1_024...1_048_576) ?? headBytes
            graphQLDepth = try reader.number(.graphQLDepth, in: 1...60) ?? graphQLDepth
            graphQLComplexity = try reader.number(.graphQLComplexity, in: 100...10_000_000) ?? graphQLComplexity
            queryRows = try reader.number(.queryRows, in: 1...1_000_000_000) ?? queryRows
            queryBytes = try reader.number(.queryBytes, in: 1_024...(1 << 50)) ?? queryBytes
            queries = try reader.number(.queries, in: 1...10_000) ?? queries
            headFields = try reader.number(.headFields, in: 10...10_000) ?? headFields
        }

        private mutating func readRates(_ reader: SettingReader) throws(ConfigurationError) {
            let rates = 1...1_000_000
            upgradesPerSecond = try reader.limit(.upgradesPerSecond, in: rates) ?? upgradesPerSecond
            upgradeBurst = try reader.number(.upgradeBurst, in: rates) ?? upgradeBurst
            requestsPerSecond = try reader.limit(.requestsPerSecond, in: rates) ?? requestsPerSecond
            requestBurst = try reader.number(.requestBurst, in: rates)
        }

        private mutating func readTimes(_ reader: SettingReader) throws(ConfigurationError) {
            let times = 1...Self.longestSeconds
            excess = try reader.seconds(.excessSeconds, in: times) ?? excess
            head = try reader.seconds(.headSeconds, in: times) ?? head
            firstMessage = try reader.seconds(.firstMessageSeconds, in: times) ?? firstMessage
            ping = try reader.seconds(.pingSeconds, in: times) ?? ping
            pong = try reader.seconds(.pongSeconds, in: times) ?? pong
            queryTime = try reader.seconds(.querySeconds, in: times) ?? queryTime
            idle = try reader.seconds(.idleSeconds, in: times) ?? idle
            guard pong >= ping else {
                throw .invalid(
                    key: SettingKey.pongSeconds.rawValue, place: "the configuration",
                    value: "\(pong.components.seconds)",
                    expected: "at least the \(ping.components.seconds) of \(SettingKey.pingSeconds.rawValue)")
            }
        }
    }
}
