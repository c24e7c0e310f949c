import Broker
import Clustering
import Dialects
import JSON
import Logging
import Model
import Synchronization

/// Fires the schedules that are this node's, and tells of it in ``topic``.
final class ScheduleRunner: Sendable {
    /// Where every firing is told, as the event `schedule_executed`.
    static let topic = "$schedules"
    /// Who publishes what schedules publish, and what tells of them.
    static let publisher = "$schedule"

    private let engine: Engine
    private let scheduler: Mutex<Scheduler>
    private let loop = Mutex<Task<Void, Never>?>(nil)

    init(engine: Engine) {
        self.engine = engine
        scheduler = Mutex(Scheduler(own: engine.identity.id))
    }

    func start() {
        loop.withLock {
            $0 = Task { [weak self] in
                while !Task.isCancelled {
                    do { try await Task.sleep(for: .milliseconds(250)) } catch { return }
                    guard let self else { return }
                    await self.look()
                }
            }
        }
    }

    /// Fires nothing more. Firings that are under way go on.
    func stop() { loop.withLock { $0?.cancel() } }

    /// Fires what is due.
    private func look() async {
        guard !engine.isStopping.load(ordering: .relaxed), engine.ledger.trouble == nil else { return }
        let schedules = engine.ledger.read { $0.registry.liveSchedules }
        // Without schedules the control plane is left in peace.
        guard !schedules.isEmpty else { return }
        let living: [NodeID]
        do {
            living = try await engine.control.inspect { plane, _ in plane.members.filter(\.state.isLiving).map(\.id) }
        } catch {
            return
        }
        let now = engine.settings.clock().wall
        let firings = scheduler.withLock { $0.advance(to: now, schedules: schedules, living: living) }
        var bySchedule: [String: [Scheduler.Firing]] = [:]
        for firing in firings { bySchedule[firing.schedule.id, default: []].append(firing) }
        for (id, firings) in bySchedule {
            Task {
                for firing in firings { await self.fire(firing) }
                self.scheduler.withLock { $0.finished(id) }
            }
        }
    }

    private func fire(_ firing: Scheduler.Firing) async {
        guard let port = engine.attachedPorts.first else { return }
        let outcome =
            switch firing.schedule.action {
            case .query(let sql, let parameters): await ask(sql, parameters, as: firing.schedule.creator, on: port)
            case .publish(let topic, let payload, let event, let key):
                await publish(
                    Command.Publish(topic: topic, payload: payload, event: event, key: key), firing, on: port)
            }
        if let refusal = outcome.refusal {
            engine.logger.notice(
                "a schedule failed",
                metadata: [
                    "schedule": "\(firing.schedule.id)", "code": "\(refusal.code)", "reason": "\(refusal.sentence)",
                ])
        }
        await tell(firing, outcome, on: port)
    }

    /// What a firing came to.
    private struct Outcome {
        var rows: UInt64 = 0
        var refusal: Refusal?
    }

    private func ask(_ sql: String, _ parameters: [UInt8], as principal: Principal, on port: FrontPort) async -> Outcome
    {
        var outcome = Outcome()
        var query = Query(sql: sql)
        do {
            if !parameters.isEmpty { query.parameters = try QueryParameters(try JSONView(parsing: parameters)) }
        } catch {
            outcome.refusal = .invalidMessage("the parameters of the schedule's query cannot be read: \(error)")
            return outcome
        }
        let call = StreamedCall(.query(query), as: principal, on: port)
        defer { call.close() }
        while let reply = await call.next() {
            switch reply {
            case .rows(let chunk):
                outcome.rows += UInt64(chunk.rows.count)
                if case .limit(let limit) = chunk.end { outcome.refusal = .queryWrong(limit.sentence) }
            case .refused(let refusal): outcome.refusal = refusal
            default: outcome.refusal = .internal("the broker gave an answer to another question")
            }
            if reply.isLast { return outcome }
            call.more()
        }
        outcome.refusal = .draining
        return outcome
    }

    private func publish(_ publish: Command.Publish, _ firing: Scheduler.Firing, on port: FrontPort) async -> Outcome {
        var publish = publish
        publish.messageID = firing.schedule.firingID(due: firing.due)
        publish.publisher = Self.publisher
        let durability = engine.ledger.read { $0.registry.topic(publish.topic)?.durability }
        publish.acknowledgement = durability == .memory ? .accepted : .stored
        let reply = await port.perform(.publish(publish), as: firing.schedule.creator)
        guard case .refused(let refusal) = reply else { return Outcome() }
        return Outcome(refusal: refusal)
    }

    /// Tells of a firing whoever follows `$schedules`: once, like the firing itself.
    private func tell(_ firing: Scheduler.Firing, _ outcome: Outcome, on port: FrontPort) async {
        guard let topic = try? TopicName(Self.topic) else { preconditionFailure("\(Self.topic) is a topic's name") }
        let system = Principal(user: Self.publisher, roles: [AccessPolicy.admin])
        if engine.ledger.read({ $0.registry.topic(topic) }) == nil {
            let create = Command.CreateTopic(
                name: topic, retention: Retention(messages: 100_000, seconds: 7 * 86_400),
                permission: PermissionMask(guest: [.peek, .read], owner: .all, group: [.peek, .read]))
            let reply = await port.perform(.createTopic(create), as: system)
            // Another firing may have created it at the same time.
            if case .refused(let refusal) = reply, refusal != .topicExists(topic) { return report(refusal) }
        }
        let publish = Command.Publish(
            topic: topic, payload: Self.text(firing, outcome, node: engine.identity.name), event: "schedule_executed",
            key: firing.schedule.id, messageID: firing.schedule.firingID(due: firing.due))
        if case .refused(let refusal) = await port.perform(.publish(publish), as: system) { report(refusal) }
    }

    private func report(_ refusal: Refusal) {
        engine.logger.warning("the firing of a schedule could not be told", metadata: ["reason": "\(refusal.sentence)"])
    }

    private static func text(_ firing: Scheduler.Firing, _ outcome: Outcome, node: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("schedule_id")
        writer.string(firing.schedule.id)
        writer.key("schedule_name")
        writer.string(firing.schedule.name)
        writer.key("success")
        writer.bool(outcome.refusal == nil)
        writer.key("rows_returned")
        writer.unsigned(outcome.rows)
        for (key, value) in [("due", Timestamp.text(firing.due)), ("node", node)] {
            writer.key(key)
            writer.string(value)
        }
        if let refusal = outcome.refusal {
            writer.key("error")
            writer.string(refusal.sentence)
            writer.key("code")
            writer.string(refusal.code)
        }
        writer.endObject()
        return writer.bytes
    }
}
