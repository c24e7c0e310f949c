/// Every setting of a node, named as in `roost.yaml`; a dot stands for a section.
///
/// As a flag `limits.message-bytes` is `--limits-message-bytes`, in the environment `ROOST_LIMITS_MESSAGE_BYTES`.
/// Lists are
/// sequences in the file and separated by commas in the environment. Roles stand in the file only.
package enum SettingKey: String, CaseIterable, Sendable {
    case nodeName = "node-name"
    case data
    case listen
    case tlsListen = "tls-listen"
    case tlsCertificateFile = "tls-certificate-file"
    case tlsKeyFile = "tls-key-file"
    case tlsClientCAFile = "tls-client-ca-file"
    case tlsClientAuth = "tls-client-auth"
    case tlsMinVersion = "tls-min-version"
    case gossip
    case bus
    case advertise
    case join
    case cluster
    case clusterKeyFile = "cluster-key-file"
    case replicas
    case authSecretFile = "auth-secret-file"
    case authKeyFiles = "auth-key-files"
    case usersFile = "users-file"
    case anonymous
    case origins
    case cookie
    case trustedProxies = "trusted-proxies"
    case loginHours = "login-hours"
    case insecureBind = "insecure-bind"
    case testDoors = "test-doors"
    case testWireVersion = "test-wire-version"
    case loops
    case scrubBytesPerSecond = "scrub.bytes-per-second"
    case scrubIntervalSeconds = "scrub.interval-seconds"
    case drainSeconds = "drain-seconds"
    case logLevel = "log-level"
    case logFormat = "log-format"
    case permission
    case retentionMessages = "retention.messages"
    case retentionBytes = "retention.bytes"
    case retentionSeconds = "retention.seconds"
    case messageBytes = "limits.message-bytes"
    case connections = "limits.connections"
    case subscriptions = "limits.subscriptions"
    case requestsPerSecond = "limits.requests-per-second"
    case requestBurst = "limits.request-burst"
    case excessSeconds = "limits.excess-seconds"
    case outboundBytes = "limits.outbound-bytes"
    case compression
    case compressionThreshold = "compression-threshold"
    case batchedSends = "batched-sends"
    case connectionsPerAddress = "limits.connections-per-address"
    case exemptAddresses = "limits.exempt-addresses"
    case upgradesPerSecond = "limits.upgrades-per-second"
    case upgradeBurst = "limits.upgrade-burst"
    case headBytes = "limits.head-bytes"
    case headFields = "limits.head-fields"
    case graphQLDepth = "limits.graphql-depth"
    case graphQLComplexity = "limits.graphql-complexity"
    case headSeconds = "limits.head-seconds"
    case firstMessageSeconds = "limits.first-message-seconds"
    case pingSeconds = "limits.ping-seconds"
    case pongSeconds = "limits.pong-seconds"
    case idleSeconds = "limits.idle-seconds"
    case querySeconds = "limits.query-seconds"
    case queryRows = "limits.query-rows"
    case queryBytes = "limits.query-bytes"
    case queries = "limits.queries"

    /// The section of the file that defines roles, by name.
    package static let roles = "roles"

    /// The name in the environment.
    package var variable: String {
        "ROOST_" + String(rawValue.uppercased().map { $0 == "-" || $0 == "." ? "_" : $0 })
    }

    /// The name on the command line.
    package var flag: String { "--" + String(rawValue.map { $0 == "." ? "-" : $0 }) }
}

/// The name of `candidates` that is nearest to what somebody wrote; nil where none is near.
func nearest(to name: String, in candidates: some Sequence<String>) -> String? {
    var best: (name: String, distance: Int)?
    for candidate in candidates {
        let distance = editDistance(Array(name.utf8), Array(candidate.utf8))
        if distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    guard let best, best.distance <= max(2, name.utf8.count / 3) else { return nil }
    return best.name
}

/// How many bytes must be added, removed or changed (Wagner and Fischer, "The String-to-String Correction Problem",
/// 1974).
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (index, byte) in left.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for column in right.indices {
            let changed = diagonal + (byte == right[column] ? 0 : 1)
            diagonal = row[column + 1]
            row[column + 1] = min(changed, diagonal + 1, row[column] + 1)
        }
    }
    return row[right.count]
}
