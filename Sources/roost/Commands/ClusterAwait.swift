import ArgumentParser
import JSON

extension ClusterCommand {
    /// `roost cluster await`.
    struct Await: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Wait until every member is alive, ready, and holds what any of them held when this began.",
            discussion: """
                Before the next node of a rolling restart is stopped, every one must have caught up. Waiting for a lag of 0 \
                would not end under load, so the journals' positions at the start of the command are waited for.
                """)

        @Option(help: ArgumentHelp("Give up after so many seconds, with exit code 1.", valueName: "seconds"))
        var within = 60

        @OptionGroup var client: ClientOptions

        func run() async throws {
            let clock = ContinuousClock()
            let deadline = clock.now + .seconds(within)
            var progress = CatchingUp()
            while true {
                let lacking = await progress.advance(client)
                guard let lacking else { return writeLine("every member is alive and holds the same") }
                guard clock.now < deadline else {
                    throw CommandFailure.refused(code: "NOT_CAUGHT_UP", message: "after \(within) s, \(lacking)")
                }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }
}

/// What members held at the beginning, and whether all of them hold it by now.
private struct CatchingUp {
    /// The highest position of every journal that any member had synced, once all could be asked.
    private var target: [String: UInt64]?

    /// Asks every member; says what is still lacking, nil for nothing.
    mutating func advance(_ client: ClientOptions) async -> String? {
        var holdings: [(name: String, vector: [String: UInt64])] = []
        do {
            let first = try await RESTClient(client).call(.GET, "/api/v1/cluster")
            for member in first["members"]?.elements() ?? [] where member["state"]?.string != "left" {
                let (name, state) = (member["name"]?.string ?? "?", member["state"]?.string ?? "?")
                guard state == "alive" else { return "\(name) is \(state)" }
                let address = try address(of: member, client)
                let rest = RESTClient(addresses: [address], token: client.bearer)
                if let reason = try await rest.unreadiness() { return "\(name) is not ready: \(reason)" }
                let status = try await rest.call(.GET, "/api/v1/cluster")
                for other in status["members"]?.elements() ?? [] where other["state"]?.string != "left" {
                    guard other["state"]?.string == "alive", other["connected"]?.bool == true else {
                        return "\(name) does not see \(other["name"]?.string ?? "?")"
                    }
                }
                holdings.append((name, Self.vector(status)))
            }
        } catch {
            return "\(error)"
        }
        if target == nil {
            target = holdings.reduce(into: [:]) { target, holding in
                target.merge(holding.vector) { max($0, $1) }
            }
        }
        for (name, vector) in holdings {
            let behind = (target ?? [:]).count { vector[$0.key, default: 0] < $0.value }
            if behind > 0 { return "\(name) is behind in \(behind) journals" }
        }
        return nil
    }

    private func address(of member: JSONView, _ client: ClientOptions) throws(CommandFailure) -> ServerAddress {
        let isSecure = try client.addresses().first?.isSecure == true
        let endpoint = member[isSecure ? "tlsListen" : "listen"]?.string
        guard let endpoint, var address = ServerAddress("\(isSecure ? "https" : "http")://\(endpoint)") else {
            throw .broken("\(member["name"]?.string ?? "?") does not say where it listens")
        }
        address.authorityFile = try client.addresses().first?.authorityFile
        return address
    }

    private static func vector(_ status: JSONView) -> [String: UInt64] {
        var vector: [String: UInt64] = [:]
        for (origin, slots) in status["vector"]?.members() ?? [] {
            for (slot, position) in slots.members() {
                vector["\(origin) \(slot)"] = UInt64(String(decoding: position.bytes, as: UTF8.self))
            }
        }
        return vector
    }
}
