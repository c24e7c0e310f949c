import Clustering
import Model

extension World {
    /// Looks at every lane now and then from here on: none may have more on its way than its window, and one frame.
    package func watchBounds() {
        for process in nodes.compactMap(\.process) {
            let settings = process.node.settings.replication
            for member in process.plane.members {
                guard let lane = process.plane.replication.lag(of: member.id, at: now) else { continue }
                if lane.unreceivedBytes > settings.windowBytes + 2 * LaneFrame.targetBytes {
                    exceeded.append(
                        "node \(process.node.index) has \(lane.unreceivedBytes) bytes on the way to \(member.id)")
                }
            }
            if process.plane.replication.counters.recordsEarly > 0 {
                exceeded.append("node \(process.node.index) was sent records without those before them")
            }
        }
        after(.milliseconds(50)) { [weak self] in self?.watchBounds() }
    }
}
