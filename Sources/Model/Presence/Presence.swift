/// What one connection has announced of itself in one topic: that it is there, that its user is typing, or what it takes
/// on.
package struct PresenceKey: Hashable, Comparable, Sendable {
    package let place: PresencePlace
    /// The name of the connection's session, which no other has in the cluster.
    package let connection: String

    package init(_ kind: PresencePlace.Kind, in topic: TopicName, connection: String) {
        place = PresencePlace(kind: kind, topic: topic)
        self.connection = connection
    }

    package static func < (left: PresenceKey, right: PresenceKey) -> Bool {
        (left.place, left.connection) < (right.place, right.connection)
    }
}

/// A topic, and what is announced in it.
package struct PresencePlace: Hashable, Comparable, Sendable {
    package let kind: Kind
    package let topic: TopicName

    /// What is announced.
    package enum Kind: UInt8, Sendable, CaseIterable {
        /// The connection is a member of the topic.
        case member = 0
        /// Its user is writing something.
        case typing = 1
        /// The connection answers the topic's requests; its entry's state is for nodes only.
        case responder = 2
        /// The connection is a member of one of the topic's groups; its entry's state is for nodes only.
        case worker = 3

        /// The lowest version of the lane format that has it.
        package var needs: UInt8 { rawValue >= Self.responder.rawValue ? WireVersions.errands : WireVersions.presence }
    }

    package init(kind: Kind, topic: TopicName) {
        self.kind = kind
        self.topic = topic
    }

    package static func < (left: PresencePlace, right: PresencePlace) -> Bool {
        (left.topic, left.kind.rawValue) < (right.topic, right.kind.rawValue)
    }
}

/// What goes along with a key.
package struct PresenceEntry: Equatable, Sendable {
    /// Empty for an anonymous one.
    package let user: String
    package let since: WallTime
    /// What the member says of itself: one JSON value; empty for nothing. Of a responder or a group's member,
    /// where it is attached.
    package let state: [UInt8]

    package init(user: String, since: WallTime, state: [UInt8] = []) {
        self.user = user
        self.since = since
        self.state = state
    }
}

/// One change of what a node announces.
package enum PresenceChange: Equatable, Sendable {
    case set(PresenceKey, PresenceEntry)
    case remove(PresenceKey)

    package var key: PresenceKey {
        switch self {
        case .set(let key, _), .remove(let key): key
        }
    }
}

/// What came of a change, as everybody who is concerned is told.
package struct PresenceEvent: Equatable, Sendable {
    package let what: What
    package let key: PresenceKey
    package let entry: PresenceEntry
    /// The name of the node that the connection is attached to.
    package let node: String
    /// The id of the same node.
    package let nodeID: NodeID
    /// How many entries the place has on all nodes, after this.
    package let count: Int

    package enum What: Sendable {
        case joined
        case updated
        case left
    }

    package init(
        _ what: What, _ key: PresenceKey, _ entry: PresenceEntry, node: String, id: NodeID = NodeID(rawValue: 0),
        count: Int
    ) {
        self.what = what
        self.key = key
        self.entry = entry
        self.node = node
        nodeID = id
        self.count = count
    }
}

/// Who is there in one topic, on every node.
package struct PresenceList: Equatable, Sendable {
    /// In the order of coming, node and connection; none where there are more than were asked for.
    package let members: [Member]
    /// How many there are.
    package let count: Int

    package struct Member: Equatable, Sendable {
        package let node: String
        package let connection: String
        package let entry: PresenceEntry

        package init(node: String, connection: String, entry: PresenceEntry) {
            self.node = node
            self.connection = connection
            self.entry = entry
        }
    }

    package init(members: [Member], count: Int) {
        self.members = members
        self.count = count
    }
}
