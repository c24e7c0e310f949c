import Model

/// The other members of the cluster, sorted by id.
struct MemberList: Sendable {
    /// Every record, in ascending order of id.
    private(set) var members: [Member] = []
    /// How many are alive or suspect.
    private(set) var livingCount = 0

    /// The record of a member; nil when it was never met.
    subscript(id: NodeID) -> Member? {
        let index = position(of: id)
        return index < members.count && members[index].id == id ? members[index] : nil
    }

    /// The members that are alive or suspect, in order of id.
    var living: [Member] { members.filter(\.state.isLiving) }

    /// Takes up a record, in the place of the one with its id if there is one.
    mutating func set(_ member: Member) {
        let index = position(of: member.id)
        if index < members.count, members[index].id == member.id {
            livingCount -= members[index].state.isLiving ? 1 : 0
            members[index] = member
        } else {
            members.insert(member, at: index)
        }
        livingCount += member.state.isLiving ? 1 : 0
    }

    /// Drops the first member that left; false when there is none.
    mutating func dropOneThatLeft() -> Bool {
        guard let index = members.firstIndex(where: { $0.state == .left }) else { return false }
        members.remove(at: index)
        return true
    }

    private func position(of id: NodeID) -> Int {
        var low = 0
        var high = members.count
        while low < high {
            let middle = (low + high) / 2
            if members[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
