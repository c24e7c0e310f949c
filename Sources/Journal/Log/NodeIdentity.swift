import Model

/// Who a node is, and in which run: what `identity.roost` holds.
package struct NodeIdentity: Equatable, Sendable {
    package let node: NodeID
    /// The last epoch taken.
    package let epoch: Epoch

    package var origin: Origin { Origin(node: node, epoch: epoch) }

    package static let fileName = "identity.roost"
    private static let version: UInt8 = 1
    private static let magic: [UInt8] = Array("ROOSTNID".utf8)

    package init(node: NodeID, epoch: Epoch) {
        self.node = node
        self.epoch = epoch
    }

    /// The identity in a directory; nil where none was made yet.
    package static func load(_ storage: any Storage) throws(LogError) -> NodeIdentity? {
        let bytes: [UInt8]
        do {
            guard try storage.list().contains(fileName) else { return nil }
            bytes = try storage.read(fileName, at: 0, count: try storage.size(of: fileName))
        } catch {
            throw .storage(error)
        }
        do {
            var reader = ByteReader(try SealedFile.open(bytes, magic: magic, version: version))
            let identity = NodeIdentity(
                node: NodeID(rawValue: try reader.u64()), epoch: Epoch(rawValue: try reader.u64()))
            try reader.finish()
            return identity
        } catch {
            throw .format(file: fileName, error)
        }
    }

    /// Writes the identity and syncs it.
    package func store(_ storage: any Storage) throws(StorageError) {
        var writer = ByteWriter(reservingCapacity: 16)
        writer.u64(node.rawValue)
        writer.u64(epoch.rawValue)
        try SealedFile.replace(
            Self.fileName, with: SealedFile.seal(writer.bytes, magic: Self.magic, version: Self.version), in: storage)
    }

    /// Begins a run: draws the node's id where the directory is new, takes an epoch after every other and syncs both.
    package static func begin(
        in storage: any Storage, at start: WallTime, random: inout some RandomNumberGenerator
    ) throws(LogError) -> NodeIdentity {
        let known = try load(storage)
        let identity = NodeIdentity(
            node: known?.node ?? NodeID(rawValue: UInt64.random(in: 1 ... .max, using: &random)),
            epoch: Epoch(start: start, after: known?.epoch, random: &random))
        do { try identity.store(storage) } catch { throw .storage(error) }
        return identity
    }
}
