import Model

extension World {
    /// What clients were not given, or given wrongly, once all is at rest.
    package func brokenDeliveries(to clients: [VirtualClient], of topics: [TopicName]) -> [String] {
        var broken = clients.flatMap(\.violations)
        guard let process = nodes.compactMap(\.process).first else { return ["no node runs"] }
        for topic in topics {
            let history = process.history(of: topic)
            for client in clients {
                guard let state = client.state(of: topic) else { continue }
                let missing = state.missing(of: history)
                guard let first = missing.first else { continue }
                broken.append(
                    "\(client.name) on node \(client.node ?? -1) misses \(missing.count) of \(history.count) "
                        + "messages of \(topic), "
                        + "the first is \(first.payload) at \(first.partition) \(first.offset)")
            }
        }
        return broken + disorder(of: clients, topics)
    }

    /// Subscribers who got one connection's messages in another order than that in which they were published.
    private func disorder(of clients: [VirtualClient], _ topics: [TopicName]) -> [String] {
        var broken: [String] = []
        for publisher in clients {
            for (_, published) in publisher.undisturbed.sorted(by: { $0.key < $1.key }) {
                let numbers = Dictionary(uniqueKeysWithValues: published.map { ($0, Self.number(of: $0)) })
                for subscriber in clients {
                    for topic in topics {
                        let got = (subscriber.state(of: topic)?.payloads ?? []).compactMap { numbers[$0] }
                        guard let wrong = zip(got, got.dropFirst()).first(where: { $0 > $1 }) else { continue }
                        broken.append(
                            "\(subscriber.name) got \(publisher.name)'s number \(wrong.0) before \(wrong.1) in \(topic)"
                        )
                    }
                }
            }
        }
        return broken
    }

    private static func number(of payload: String) -> Int {
        payload.split(separator: "-").last.flatMap { Int($0) } ?? 0
    }
}
