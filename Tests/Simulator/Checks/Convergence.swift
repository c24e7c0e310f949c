import Clustering
import Journal
import Model

/// Compares what running nodes hold.
package struct Convergence {
    private let world: World

    package init(_ world: World) {
        self.world = world
    }

    /// The first difference between two running nodes' vectors or registries, or between a node's own parts; nil at
    /// rest.
    package var difference: String? {
        let running = world.nodes.compactMap(\.process)
        guard let first = running.first else { return "no node runs" }
        for process in running {
            let held = process.ledger.sequencer.vector
            guard process.disk.log.pendingRepairs == 0, process.plane.replication.wantCount == 0 else {
                return "node \(process.node.index) has not repaired all that is damaged"
            }
            guard process.plane.replication.durableVector == held else {
                return "node \(process.node.index) has records that are not durable"
            }
            if process.ledger.sequencer.registry != process.disk.log.registry {
                return "node \(process.node.index) has another registry in its log than in its sequencer"
            }
            if held != first.ledger.sequencer.vector {
                return "nodes \(first.node.index) and \(process.node.index) hold other records: "
                    + Self.describe(first.ledger.sequencer.vector, held)
            }
            if process.ledger.sequencer.registry != first.ledger.sequencer.registry {
                return "nodes \(first.node.index) and \(process.node.index) have other registries"
            }
        }
        return nil
    }

    /// Journals in which two vectors differ.
    private static func describe(_ left: VersionVector, _ right: VersionVector) -> String {
        var journals: [String] = []
        for origin in Set(left.origins + right.origins).sorted() {
            for index in 0..<Slot.count {
                let slot = Slot(index: UInt8(index))!
                let (one, other) = (left[origin, slot], right[origin, slot])
                if one != other { journals.append("\(origin) slot \(slot): \(one) and \(other)") }
            }
        }
        return journals.prefix(4).joined(separator: ", ")
    }
}

/// One message as a node's history shows it.
package struct ShownMessage: Hashable, Sendable, CustomStringConvertible {
    package let partition: Partition
    package let offset: UInt64
    package let payload: String

    package var description: String { "\(payload) at \(partition.origin) \(offset)" }
}

extension VirtualProcess {
    /// A topic's whole history on this node.
    package func history(of name: TopicName) -> [ShownMessage] {
        guard let topic = ledger.sequencer.registry.topic(name) else { return [] }
        let read = TopicRead(
            topic: name, generation: topic.generation, mode: .history(since: .beginning, until: nil),
            messageLimit: .max, byteLimit: .max)
        do {
            guard let page = try disk.withLog({ log in try log.read(read, at: node.wall) }) else { return [] }
            return page.messages.compactMap { item in
                item.record.message.map {
                    // A JSON string is shown as what it says.
                    ShownMessage(
                        partition: item.record.partition(of: $0), offset: $0.offset,
                        payload: String(decoding: $0.payload.filter { $0 != UInt8(ascii: "\"") }, as: UTF8.self))
                }
            }
        } catch {
            preconditionFailure("a history could not be read: \(error)")
        }
    }

    /// The value of a row of a table on this node; nil where there is none.
    package func row(_ key: String, of table: TopicName) -> String? {
        guard let topic = ledger.sequencer.registry.topic(table) else { return nil }
        let read = TopicRead(
            topic: table, generation: topic.generation, mode: .row(key, through: 0), messageLimit: 1, byteLimit: .max)
        do {
            let page = try disk.withLog { log in try log.read(read, at: node.wall) }
            return page?.messages.first?.record.message.map { String(decoding: $0.payload, as: UTF8.self) }
        } catch {
            preconditionFailure("a row could not be read: \(error)")
        }
    }

    /// What a topic's history tells as lost on this node.
    package func historyGaps(of name: TopicName) -> [Gap] {
        guard let topic = ledger.sequencer.registry.topic(name) else { return [] }
        let read = TopicRead(
            topic: name, generation: topic.generation, mode: .history(since: .beginning, until: nil),
            messageLimit: .max, byteLimit: .max)
        do { return try disk.withLog({ log in try log.read(read, at: node.wall) })?.gaps ?? [] } catch {
            preconditionFailure("a history could not be read: \(error)")
        }
    }

    /// The names of the topics that exist here, in order.
    package var topics: [TopicName] {
        ledger.sequencer.registry.sortedEntries.filter { $0.live != nil }.map(\.name)
    }
}

extension VirtualProcess {
    /// The last time that this process has given or learnt.
    package var ownTime: HybridTime { ledger.sequencer.time }

    /// The last message that this process has published in a topic; nil for none.
    package func ownHead(of name: TopicName) -> (partition: Partition, offset: UInt64)? {
        guard let topic = ledger.sequencer.registry.topic(name) else { return nil }
        let partition = Partition(origin: identity.origin, generation: topic.generation)
        let offset = ledger.sequencer.heads(of: name)[partition]
        return offset > 0 ? (partition, offset) : nil
    }
}
