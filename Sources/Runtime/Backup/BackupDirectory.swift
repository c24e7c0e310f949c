import Foundation
import Glibc
import Journal
import Model

/// A backup on this machine: the log's files as they were at one moment, and `backup.json`, which is written last.
package struct BackupDirectory: Sendable {
    /// The file that says what the backup holds; without it the backup is not whole.
    package static let manifest = "backup.json"

    package let path: String

    /// What is wrong with a directory, in a sentence.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    package init(path: String) {
        self.path = path
    }

    /// Makes it; it must not be there, or be empty.
    package func create() throws {
        try Self.requireEmpty(path)
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Failure(description: "\(path) cannot be made: \((error as NSError).localizedDescription)")
        }
    }

    /// Appends to one of its files.
    package func append(_ bytes: [UInt8], to name: String, in storage: DirectoryStorage) throws(StorageError) {
        do { try storage.create(name) } catch StorageError.exists {}
        try storage.append(bytes, to: name)
    }

    /// The files, for reading and writing.
    package func storage() throws(StorageError) -> DirectoryStorage { try DirectoryStorage(path: path) }

    /// Syncs everything, and says last what it is.
    package func finish(manifest: [UInt8], in storage: DirectoryStorage) throws(StorageError) {
        for name in try storage.list() { try storage.sync(name) }
        try storage.create(Self.manifest)
        try storage.append(manifest + [UInt8(ascii: "\n")], to: Self.manifest)
        try storage.sync(Self.manifest)
        try storage.syncDirectory()
    }

    /// The manifest's bytes.
    package func readManifest() throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: "\(path)/\(Self.manifest)") else {
            throw Failure(
                description: "\(path) is no whole backup: it has no \(Self.manifest), which is written last")
        }
        return Array(data)
    }

    /// Reads every byte of every segment and compares checksums and sizes.
    package func check(sizes: [(name: String, size: Int)]) throws -> LogCheck {
        let storage = try storage()
        for (name, size) in sizes {
            let found: Int
            do { found = try storage.size(of: name) } catch StorageError.missing {
                throw Failure(description: "\(path)/\(name) is missing: the backup is not whole")
            }
            guard found == size else {
                throw Failure(description: "\(path)/\(name) has \(found) bytes, and had \(size) when it was taken")
            }
        }
        return try LogCheck(storage)
    }

    /// Copies it into the data directory of a node that has none yet.
    ///
    /// - Parameter identity: who the node is to be; nil for a new node, which draws an id at its first start.
    package func restore(
        _ sizes: [(name: String, size: Int)], into directory: String, as identity: (node: NodeID, epoch: Epoch)?
    ) throws {
        let target = BackupDirectory(path: directory)
        try target.create()
        let (source, storage) = (try storage(), try target.storage())
        for (name, size) in sizes {
            var position = 0
            try target.append([], to: name, in: storage)
            while position < size {
                let bytes = try source.read(name, at: position, count: min(4 << 20, size - position))
                guard !bytes.isEmpty else { throw Failure(description: "\(path)/\(name) became shorter") }
                try storage.append(bytes, to: name)
                position += bytes.count
            }
            try storage.sync(name)
        }
        if let identity { try Journal.NodeIdentity(node: identity.node, epoch: identity.epoch).store(storage) }
        try storage.syncDirectory()
    }

    private static func requireEmpty(_ path: String) throws {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else { return }
        guard isDirectory.boolValue else { throw Failure(description: "\(path) is a file; a directory is needed") }
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
            throw Failure(description: "\(path) cannot be read: \((error as NSError).localizedDescription)")
        }
        guard names.isEmpty else {
            throw Failure(
                description: "\(path) is not empty: nothing is written over what is there; name a new directory")
        }
    }
}
