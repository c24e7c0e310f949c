import Journal
import Model

extension World {
    /// Ends everything that goes wrong: the network heals, disks have room, nodes that are down start.
    package func recover() {
        network.heal()
        for node in nodes {
            node.storage.capacity = .max
            if !node.isRunning { node.start() }
        }
        note("recovers", node: -1)
    }

    /// Recovers, waits for rest, and gives every broken promise; empty for none.
    package func settleAndCheck(atMost limit: Duration = .seconds(120)) -> [String] {
        recover()
        let convergence = Convergence(self)
        guard run(atMost: limit, until: { convergence.difference == nil }) else {
            return ["no rest within \(limit): \(convergence.difference ?? "")"]
        }
        run(for: .seconds(1))
        return brokenPromises()
    }

    /// What the running nodes' logs say against what was promised.
    package func brokenPromises() -> [String] {
        var broken = exceeded
        let running = nodes.compactMap(\.process)
        guard let first = running.first else { return ["no node runs"] }
        var shown: [TopicName: Set<String>] = [:]
        for topic in first.topics where !book.ignored.contains(topic) {
            let reference = first.history(of: topic)
            shown[topic] = Set(reference.map(\.payload))
            for process in running
            where Set(process.history(of: topic).map(\.payload)).count != process.history(of: topic).count {
                broken.append("\(topic) shows a message twice on node \(process.node.index)")
            }
            for process in running.dropFirst() {
                let other = process.history(of: topic)
                guard other != reference else { continue }
                let lone = Set(reference).symmetricDifference(other).map(\.description).sorted()
                broken.append(
                    "nodes \(first.node.index) and \(process.node.index) show other histories of \(topic): "
                        + "\(reference.count) and \(other.count) messages; only one has \(lone.prefix(4))")
            }
        }
        for promise in book.promises where shown[promise.topic]?.contains(promise.payload) != true {
            broken.append(
                "\(promise.payload) in \(promise.topic), \(promise.isReplicated ? "replicated" : "stored") "
                    + "by node \(promise.node), is gone")
        }
        return broken
    }
}

extension World {
    /// Creates a topic through a node's ledger; false where the node does not run or refuses.
    @discardableResult
    package func create(
        _ topic: TopicName, on node: Int, kind: TopicDefinition.Kind = .stream,
        durability: TopicDefinition.Durability = .disk, settings: TopicSettings = TopicSettings()
    ) -> Bool {
        guard let process = nodes[node].process, process.ledger.trouble == nil else { return false }
        let result = process.ledger.sequence { sequencer, wall, batch in
            sequencer.create(
                topic, kind: kind, durability: durability, owner: "", groups: [], settings: settings, at: wall,
                into: &batch)
        }
        process.settle()
        guard case .success = result else { return false }
        note("creates", node: node)
        return true
    }

    /// Publishes a JSON string through a node's ledger, as a client without a session would; false where the node
    /// refuses.
    @discardableResult
    package func publish(_ payload: String, to topic: TopicName, on node: Int, messageID: String? = nil) -> Bool {
        guard let process = nodes[node].process, process.ledger.trouble == nil else { return false }
        let draft = Draft(
            topic: topic, event: "new-message", key: nil, publisher: "", source: "", messageID: messageID,
            timeToLive: nil, payload: Array("\"\(payload)\"".utf8))
        let result = process.ledger.sequence { sequencer, wall, batch in
            sequencer.publish(draft, at: wall, into: &batch)
        }
        process.settle()
        guard case .success(let receipt) = result else { return false }
        note("publishes", node: node, receipt.offset, isShown: false)
        book.sequenced(topic, payload, by: process, at: receipt.sequence)
        return true
    }
}

extension World {
    /// Writes a row of a table through a node's ledger, or ends it where there is no value; gives why it was refused.
    @discardableResult
    package func write(_ value: String?, to key: String, of table: TopicName, on node: Int) -> SequencerRefusal? {
        guard let process = nodes[node].process, process.ledger.trouble == nil else { return nil }
        let draft = Draft(
            topic: table, event: "new-message", key: key, publisher: "", source: "", messageID: nil, timeToLive: nil,
            payload: Array((value.map { "\"\($0)\"" } ?? "null").utf8),
            row: RowDraft(readers: .kept, rights: .all, writer: nil))
        let result = process.ledger.sequence { sequencer, wall, batch in
            sequencer.publish(draft, at: wall, into: &batch)
        }
        process.settle()
        guard case .failure(let refusal) = result else { return nil }
        return refusal
    }

    /// In what the running nodes' tables differ, each by its history and row by row.
    package func rowDifferences(of table: TopicName, keys: [String]) -> [String] {
        var differences: [String] = []
        let running = nodes.compactMap(\.process)
        for process in running.dropFirst() {
            if process.history(of: table) != running[0].history(of: table) {
                differences.append("nodes \(running[0].node.index) and \(process.node.index) show other histories of \(table)")
            }
            for key in keys where process.row(key, of: table) != running[0].row(key, of: table) {
                differences.append(
                    "row \(key) is \(running[0].row(key, of: table) ?? "none") on node \(running[0].node.index) and "
                        + "\(process.row(key, of: table) ?? "none") on node \(process.node.index)")
            }
        }
        return differences
    }
}

extension World {
    /// Destroys a topic through a node's ledger; false where the node does not run or refuses.
    @discardableResult
    package func destroy(_ topic: TopicName, on node: Int) -> Bool {
        guard let process = nodes[node].process, process.ledger.trouble == nil else { return false }
        let result = process.ledger.sequence { sequencer, wall, batch in
            sequencer.destroy(topic, at: wall, into: &batch)
        }
        process.settle()
        guard case .success = result else { return false }
        note("destroys", node: node)
        return true
    }

    /// Removes a member through another node's ledger, as an operator does; false where that node does not run or refuses.
    @discardableResult
    package func remove(_ victim: Int, on node: Int) -> Bool {
        guard let process = nodes[node].process, process.ledger.trouble == nil, victim != node else { return false }
        let departure = DepartureRecord(node: nodes[victim].id, name: "node-\(victim)", user: "")
        process.ledger.sequence { sequencer, wall, batch in sequencer.remove(departure, at: wall, into: &batch) }
        process.settle()
        note("removes", node: node, UInt64(victim))
        return true
    }

    /// Lets every running node drop and rewrite segments, as it does every few seconds.
    package func keepHouse() {
        for process in nodes.compactMap(\.process) { process.disk.keepHouse(at: process.node.wall) }
    }

    /// Topics whose histories differ between running nodes, whether or not the other checks leave them out.
    package func differentHistories(of topics: [TopicName]) -> [String] {
        let running = nodes.compactMap(\.process)
        return topics.flatMap { topic in
            running.dropFirst().compactMap { process in
                let (one, other) = (running[0].history(of: topic), process.history(of: topic))
                return one == other
                    ? nil
                    : "nodes 0 and \(process.node.index) show other histories of \(topic): "
                        + "\(one.count) and \(other.count), \(one) and \(other)"
            }
        }
    }
}
