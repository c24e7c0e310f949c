import Broker
import Dialects

/// The branches of one client's conversation, in the order of their numbers.
struct ClientBranches {
    private var entries: [(branch: BranchID, connection: ConnectionID, form: BranchForm)] = []

    /// Every branch's session.
    var connections: [ConnectionID] { entries.map(\.connection) }

    /// Takes note of a new one.
    mutating func begin(_ branch: BranchID, _ form: BranchForm, as connection: ConnectionID) {
        precondition(entries.count < BranchID.limit, "a dialect keeps to the limit of branches")
        let place = place(of: branch)
        precondition(place == entries.count || entries[place].branch != branch, "a branch's number is used once")
        entries.insert((branch, connection, form), at: place)
    }

    /// Forgets one; gives its session.
    mutating func end(_ branch: BranchID) -> ConnectionID? {
        let place = place(of: branch)
        guard place < entries.count, entries[place].branch == branch else { return nil }
        return entries.remove(at: place).connection
    }

    func connection(of branch: BranchID) -> ConnectionID? { entry(of: branch)?.connection }

    func form(of branch: BranchID) -> BranchForm? { entry(of: branch)?.form }

    private func entry(of branch: BranchID) -> (branch: BranchID, connection: ConnectionID, form: BranchForm)? {
        let place = place(of: branch)
        return place < entries.count && entries[place].branch == branch ? entries[place] : nil
    }

    /// The place of the first that is not before `branch`.
    private func place(of branch: BranchID) -> Int {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].branch < branch { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
