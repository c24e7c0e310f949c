import Model

/// Where a shard stands in its cluster, so that others can tell it something.
package struct ShardPlace: Hashable, Sendable {
    /// This run of this node.
    package let origin: Origin
    /// The number of the shard's event loop, from 0.
    package let loop: Int
    /// How many event loops the node has.
    package let loops: Int

    package init(
        origin: Origin = Origin(node: NodeID(rawValue: 0), epoch: Epoch(rawValue: 0)), loop: Int = 0, loops: Int = 1
    ) {
        self.origin = origin
        self.loop = loop
        self.loops = loops
    }
}

/// Where a connection is attached, as every event loop of every node can reach it.
package struct Station: Hashable, Sendable {
    package let node: NodeID
    /// The number of the event loop there.
    package let loop: Int
    package let connection: ConnectionID
    /// The name of the connection's session, which no other has: another connection of the same number is known by it.
    package let session: String

    package init(node: NodeID, loop: Int, connection: ConnectionID, session: String) {
        self.node = node
        self.loop = loop
        self.connection = connection
        self.session = session
    }

    /// Reads what a node announced; nil for what no station announces.
    package init?(_ event: PresenceEvent) {
        var reader = ByteReader(event.entry.state)
        do throws(FormatError) {
            loop = try reader.count(upTo: Self.loopLimit)
            connection = try reader.connection()
            try reader.finish()
        } catch {
            return nil
        }
        node = event.nodeID
        session = event.key.connection
    }

    /// What is announced along with the session's name and the node's id.
    package var announcement: [UInt8] {
        var writer = ByteWriter(reservingCapacity: 8)
        writer.varint(UInt64(loop))
        writer.connection(connection)
        return writer.bytes
    }

    /// More event loops no node has.
    static let loopLimit = 65_535
}

extension ByteWriter {
    mutating func connection(_ connection: ConnectionID) {
        varint(UInt64(connection.index))
        varint(UInt64(connection.generation))
    }
}

extension ByteReader {
    mutating func connection() throws(FormatError) -> ConnectionID {
        let index = UInt32(try count(upTo: Int(UInt32.max)))
        return ConnectionID(index: index, generation: UInt32(try count(upTo: Int(UInt32.max))))
    }
}
