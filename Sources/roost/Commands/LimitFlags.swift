import ArgumentParser
import Runtime

/// The flags of `roost serve` for the section `limits` of the configuration.
struct LimitFlags: ParsableArguments {
    @Option(help: ArgumentHelp("Bytes of a message. (default: 1048576)", valueName: "bytes"))
    var limitsMessageBytes: String?

    @Option(help: ArgumentHelp("Connections of the node. (default: 100000)", valueName: "n"))
    var limitsConnections: String?

    @Option(help: ArgumentHelp("Connections of one address, 0 for no limit. (default: 10000)", valueName: "n"))
    var limitsConnectionsPerAddress: String?

    @Option(
        help: ArgumentHelp(
            "Addresses without that limit; may be given several times. (default: loopback)", valueName: "block"))
    var limitsExemptAddresses: [String] = []

    @Option(help: ArgumentHelp("Upgrades a second of the node, 0 for no limit. (default: 5000)", valueName: "n"))
    var limitsUpgradesPerSecond: String?

    @Option(help: ArgumentHelp("Upgrades at once. (default: 10000)", valueName: "n"))
    var limitsUpgradeBurst: String?

    @Option(help: ArgumentHelp("Subscriptions of a connection. (default: 10000)", valueName: "n"))
    var limitsSubscriptions: String?

    @Option(help: ArgumentHelp("Requests a second of a connection, 0 for no limit. (default: 0)", valueName: "n"))
    var limitsRequestsPerSecond: String?

    @Option(help: ArgumentHelp("Requests of a connection at once. (default: those of a second)", valueName: "n"))
    var limitsRequestBurst: String?

    @Option(help: ArgumentHelp("How long a connection may exceed them. (default: 10)", valueName: "seconds"))
    var limitsExcessSeconds: String?

    @Option(help: ArgumentHelp("Bytes that may wait for a connection. (default: 262144)", valueName: "bytes"))
    var limitsOutboundBytes: String?

    @Option(help: ArgumentHelp("Bytes of a request's head. (default: 16384)", valueName: "bytes"))
    var limitsHeadBytes: String?

    @Option(help: ArgumentHelp("Header lines of a request. (default: 100)", valueName: "n"))
    var limitsHeadFields: String?

    @Option(help: ArgumentHelp("How deep a GraphQL request may be. (default: 20)", valueName: "n"))
    var limitsGraphqlDepth: String?

    @Option(help: ArgumentHelp("What a GraphQL request may come to, in fields. (default: 20000)", valueName: "n"))
    var limitsGraphqlComplexity: String?

    @Option(help: ArgumentHelp("How long a connection's first head may take. (default: 10)", valueName: "seconds"))
    var limitsHeadSeconds: String?

    @Option(
        help: ArgumentHelp(
            "How long a client without a token may take to give one. (default: 10)", valueName: "seconds"))
    var limitsFirstMessageSeconds: String?

    @Option(help: ArgumentHelp("Between two pings. (default: 30)", valueName: "seconds"))
    var limitsPingSeconds: String?

    @Option(help: ArgumentHelp("How long a ping may go unanswered. (default: 60)", valueName: "seconds"))
    var limitsPongSeconds: String?

    @Option(help: ArgumentHelp("How long an HTTP connection may be idle. (default: 60)", valueName: "seconds"))
    var limitsIdleSeconds: String?

    @Option(help: ArgumentHelp("How long a query in SQL may take. (default: 60)", valueName: "seconds"))
    var limitsQuerySeconds: String?

    @Option(help: ArgumentHelp("Rows of a query's result. (default: 1000000)", valueName: "n"))
    var limitsQueryRows: String?

    @Option(help: ArgumentHelp("Bytes of messages that a query reads. (default: 1073741824)", valueName: "bytes"))
    var limitsQueryBytes: String?

    @Option(help: ArgumentHelp("Queries of the node under way. (default: 64)", valueName: "n"))
    var limitsQueries: String?

    /// The values that were given.
    var values: [SettingKey: [String]] {
        let single: [(SettingKey, String?)] = [
            (.messageBytes, limitsMessageBytes), (.connections, limitsConnections),
            (.connectionsPerAddress, limitsConnectionsPerAddress), (.upgradesPerSecond, limitsUpgradesPerSecond),
            (.upgradeBurst, limitsUpgradeBurst), (.subscriptions, limitsSubscriptions),
            (.requestsPerSecond, limitsRequestsPerSecond), (.requestBurst, limitsRequestBurst),
            (.excessSeconds, limitsExcessSeconds), (.outboundBytes, limitsOutboundBytes),
            (.graphQLDepth, limitsGraphqlDepth), (.graphQLComplexity, limitsGraphqlComplexity),
            (.headBytes, limitsHeadBytes), (.headFields, limitsHeadFields), (.headSeconds, limitsHeadSeconds),
            (.firstMessageSeconds, limitsFirstMessageSeconds), (.pingSeconds, limitsPingSeconds),
            (.pongSeconds, limitsPongSeconds), (.idleSeconds, limitsIdleSeconds),
            (.querySeconds, limitsQuerySeconds), (.queryRows, limitsQueryRows), (.queryBytes, limitsQueryBytes),
            (.queries, limitsQueries),
        ]
        var values: [SettingKey: [String]] = [:]
        for (key, value) in single { if let value { values[key] = [value] } }
        if !limitsExemptAddresses.isEmpty { values[.exemptAddresses] = limitsExemptAddresses }
        return values
    }
}
