import Model

/// A run of positions that this node's log has lost, and what holders said of it.
struct Want {
    let run: AbsentRun
    /// What has not come yet, ascending.
    private(set) var pieces: [Piece]
    /// When it was first asked for.
    let since: MonotonicTime
    /// Whether the log was told that holders which may have it do not answer.
    var isUnavailable = false

    /// Positions that have not come, with the members that do not have them.
    struct Piece: Equatable {
        var range: ClosedRange<UInt64>
        var refused: [NodeID] = []
    }

    init(_ run: AbsentRun, since: MonotonicTime) {
        self.run = run
        self.since = since
        pieces = [Piece(range: run.from...run.to)]
    }

    /// Takes note that a record came; false where it was not awaited.
    mutating func came(_ position: UInt64) -> Bool {
        guard let index = pieces.firstIndex(where: { $0.range.contains(position) }) else { return false }
        split(index, without: position...position)
        return true
    }

    /// Takes note that a member has given what it holds of a run.
    mutating func answered(_ run: AbsentRun, by member: NodeID) {
        for index in pieces.indices.reversed() where pieces[index].range.overlaps(run.from...run.to) {
            guard !pieces[index].refused.contains(member) else { continue }
            let piece = pieces[index]
            let common = max(piece.range.lowerBound, run.from)...min(piece.range.upperBound, run.to)
            split(index, without: common)
            let place = pieces.firstIndex { $0.range.lowerBound > common.upperBound } ?? pieces.count
            pieces.insert(Piece(range: common, refused: piece.refused + [member]), at: place)
        }
    }

    /// Asks a member anew, which may hold something else by now.
    mutating func forget(_ member: NodeID) {
        for index in pieces.indices { pieces[index].refused.removeAll { $0 == member } }
    }

    /// The first run that a member was not asked for.
    func question(to member: NodeID) -> AbsentRun? {
        guard let piece = pieces.first(where: { !$0.refused.contains(member) }) else { return nil }
        return AbsentRun(
            origin: run.origin, slot: run.slot, from: piece.range.lowerBound, to: piece.range.upperBound)
    }

    private mutating func split(_ index: Int, without range: ClosedRange<UInt64>) {
        let piece = pieces.remove(at: index)
        var rest: [Piece] = []
        if piece.range.lowerBound < range.lowerBound {
            rest.append(Piece(range: piece.range.lowerBound...range.lowerBound - 1, refused: piece.refused))
        }
        if piece.range.upperBound > range.upperBound {
            rest.append(Piece(range: range.upperBound + 1...piece.range.upperBound, refused: piece.refused))
        }
        pieces.insert(contentsOf: rest, at: index)
    }
}
