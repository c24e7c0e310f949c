import JSON
import Model

extension JSONWriter {
    /// The cluster as its node sees it.
    mutating func cluster(_ status: ClusterStatus) {
        beginObject()
        key("cluster")
        string(status.identity.cluster)
        key("node")
        beginObject()
        key("id")
        string(status.identity.id.description)
        key("name")
        string(status.identity.name)
        endObject()
        key("members")
        beginArray()
        for member in status.members { self.member(member) }
        endArray()
        key("vector")
        vector(status.vector)
        key("digest")
        string(hexadecimal(status.digest, digits: 16))
        endObject()
    }

    /// A member that is one no more.
    mutating func removal(_ removed: RemovedMember) {
        beginObject()
        key("id")
        string(removed.id.description)
        key("name")
        string(removed.name)
        key("members")
        unsigned(UInt64(removed.members))
        endObject()
    }

    private mutating func member(_ member: ClusterStatus.Member) {
        beginObject()
        key("id")
        string(member.id.description)
        key("name")
        string(member.name)
        key("state")
        string(member.state)
        key("incarnation")
        unsigned(member.incarnation)
        key("boot")
        text(member.boot?.description)
        key("gossip")
        text(member.gossip?.description)
        key("bus")
        text(member.bus?.description)
        key("listen")
        text(member.listen?.description)
        key("tlsListen")
        text(member.tlsListen?.description)
        key("lag")
        unsigned(member.lag)
        key("connected")
        bool(member.isConnected)
        key("wire")
        if let version = member.wireVersion { unsigned(UInt64(version)) } else { null() }
        endObject()
    }

    /// `{"node/epoch": {"slot": position}}`.
    private mutating func vector(_ vector: VersionVector) {
        beginObject()
        for origin in vector.origins {
            key(origin.description)
            beginObject()
            for (index, position) in vector.positions(of: origin).enumerated() where position > 0 {
                key(index == Slot.count - 1 ? Slot.system.description : "\(index)")
                unsigned(position)
            }
            endObject()
        }
        endObject()
    }

    private mutating func text(_ value: String?) {
        if let value { string(value) } else { null() }
    }
}
