import Model

// An errand is what one event loop has to tell another loop of another node: a request, its answers. It belongs to the two
// processes, is journalled nowhere, and ends with either of them.
extension Replication {
    /// Carries an errand to a peer's event loop, in order and once for as long as both processes live and hold each other
    /// alive. What cannot be carried is given back with `errandLost`.
    package mutating func carry(
        _ parcel: ErrandParcel, at now: MonotonicTime, into effects: inout [ReplicationEffect]
    ) {
        guard let index = index(of: parcel.node), lanes[index].isReachable, lanes[index].version >= WireVersions.errands,
            lanes[index].outbound.errandBytes + parcel.bytes.count <= settings.errandBytes
        else { return effects.append(.errandLost(parcel)) }
        lanes[index].outbound.errands.append((parcel.loop, parcel.bytes))
        lanes[index].outbound.errandBytes += parcel.bytes.count
        flush(at: now, into: &effects)
    }

    mutating func fillFromErrands(_ writer: inout ByteWriter, for index: Int) {
        let waiting = lanes[index].outbound.errands
        guard !waiting.isEmpty else { return }
        var taken = 0
        for errand in waiting {
            guard writer.bytes.count < LaneFrame.targetBytes else { break }
            LaneItem.errand(loop: errand.loop, errand.bytes).encode(into: &writer, version: lanes[index].version)
            lanes[index].outbound.errandBytes -= errand.bytes.count
            taken += 1
        }
        lanes[index].outbound.errands.removeFirst(taken)
    }

    /// The peer is held dead: nobody waits for what it would have been told.
    mutating func dropErrands(of index: Int) {
        lanes[index].outbound.errands = []
        lanes[index].outbound.errandBytes = 0
    }
}

/// An errand with its address.
package struct ErrandParcel: Equatable, Sendable {
    package let node: NodeID
    /// The number of the event loop there.
    package let loop: Int
    /// The number of the event loop here that it comes from.
    package let sender: Int
    /// What loops understand.
    package let bytes: [UInt8]

    package init(to node: NodeID, loop: Int, from sender: Int, _ bytes: [UInt8]) {
        self.node = node
        self.loop = loop
        self.sender = sender
        self.bytes = bytes
    }
}

extension LaneItem {
    /// The version of the sender's presence that the item, where it is taken, brings its receiver up to; nil for others.
    var presenceThrough: UInt64? {
        switch self {
        case .presence(let base, let changes): base + UInt64(changes.count)
        case .presenceSet(let version, _, true, _): version
        default: nil
        }
    }
}
