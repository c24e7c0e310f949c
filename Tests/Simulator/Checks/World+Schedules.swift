import Clustering
import Model

extension World {
    /// Writes a change of a schedule through a node's ledger; false where the node does not run or refuses.
    @discardableResult
    package func schedule(_ change: ScheduleChange, on node: Int) -> Bool {
        guard let process = nodes[node].process, process.ledger.trouble == nil else { return false }
        process.ledger.sequence { sequencer, wall, batch in sequencer.schedule(change, at: wall, into: &batch) }
        process.settle()
        note("schedules", node: node)
        return true
    }

    /// The schedules that a node knows; none where it does not run.
    package func schedules(on node: Int) -> [Schedule] { nodes[node].process?.ledger.registry.liveSchedules ?? [] }

    /// Has every running node fire what its own scheduler says is due: a publish of the time at which it was.
    ///
    /// - Returns: the times that were fired, by whichever nodes.
    package func fire(_ schedulers: inout [Scheduler?], into topic: TopicName) -> [WallTime] {
        var fired: [WallTime] = []
        for (index, node) in nodes.enumerated() {
            guard let process = node.process else {
                schedulers[index] = nil
                continue
            }
            var scheduler = schedulers[index] ?? Scheduler(own: process.identity.origin.node)
            let firings = scheduler.advance(
                to: node.wall, schedules: process.ledger.registry.liveSchedules,
                living: process.plane.members.filter(\.state.isLiving).map(\.id))
            for firing in firings {
                scheduler.finished(firing.schedule.id)
                let id = firing.schedule.firingID(due: firing.due)
                if publish(id, to: topic, on: index, messageID: id) { fired.append(firing.due) }
            }
            schedulers[index] = scheduler
        }
        return fired
    }
}
