import Broker
import Journal
import Model

/// The ledger as one virtual loop sees it.
final class LoopLedger: Ledger {
    private let ledger: VirtualLedger
    private let loop: Int

    init(_ ledger: VirtualLedger, loop: Int) {
        self.ledger = ledger
        self.loop = loop
    }

    var origin: Origin { ledger.origin }

    func publish(_ drafts: [Draft]) -> [Result<Receipt, Refusal>] {
        if let trouble = ledger.trouble { return drafts.map { _ in .failure(.internal(trouble)) } }
        return ledger.sequence { sequencer, wall, batch in
            drafts.map { draft in
                sequencer.publish(draft, at: wall, into: &batch).mapError { Self.refusal($0, draft.topic) }
            }
        }
    }

    func createTopic(_ topic: TopicCreation) -> Result<TopicWrite, Refusal> {
        write(topic.name) { sequencer, wall, batch in
            sequencer.create(
                topic.name, kind: topic.kind, durability: topic.durability, owner: topic.owner, groups: topic.groups,
                settings: topic.settings, at: wall, into: &batch)
        }
    }

    func changeTopic(
        _ name: TopicName, retention: Retention?, permission: PermissionMask?
    ) -> Result<TopicWrite, Refusal> {
        write(name) { sequencer, wall, batch in
            sequencer.change(name, retention: retention, permission: permission, at: wall, into: &batch)
        }
    }

    func destroyTopic(_ name: TopicName) -> Result<TopicWrite, Refusal> {
        write(name) { sequencer, wall, batch in sequencer.destroy(name, at: wall, into: &batch) }
    }

    func take() -> [Sequenced] { ledger.mailboxes.take(loop) }

    func heads(of topics: [TopicName]) -> (heads: [Cursor], sequence: UInt64, batch: [Sequenced]) {
        (topics.map { ledger.sequencer.heads(of: $0) }, ledger.sequencer.sequence, ledger.mailboxes.take(loop))
    }

    private func write(
        _ name: TopicName,
        _ body: (inout Sequencer, WallTime, inout [Sequenced]) -> Result<TopicDefinition, SequencerRefusal>
    ) -> Result<TopicWrite, Refusal> {
        if let trouble = ledger.trouble { return .failure(.internal(trouble)) }
        let result = ledger.sequence(body)
        return
            result
            .map { TopicWrite(definition: $0, sequence: ledger.sequencer.sequence) }
            .mapError { Self.refusal($0, name) }
    }

    private static func refusal(_ refusal: SequencerRefusal, _ topic: TopicName) -> Refusal {
        switch refusal {
        case .topicUnknown: .topicUnknown(topic)
        case .topicExists: .topicExists(topic)
        case .notAStream: .invalidMessage("a row needs a key")
        case .rowForbidden(let event): .permissionDenied(action: event.rawValue, topic: topic.text)
        case .rowUnknown: .rowUnknown(topic, "")
        case .rowLimit(let limit): .unavailable("no more than \(limit) rows")
        }
    }
}
