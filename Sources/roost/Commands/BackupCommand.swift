import ArgumentParser
import JSON
import Model
import Runtime

/// `roost backup`: copies what a running node holds.
struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy what a running node holds, as it is at one moment.",
        discussion: """
            The node goes on meanwhile. Every checksum of the copy is checked before backup.json is written, without \
            which it is not whole. It holds topics and messages, and no keys, users or configuration. An admin's token \
            is needed where the node asks for one. roost restore makes a data directory of it.
            """)

    @Argument(help: "A directory that is not there yet, or is empty.")
    var directory: String

    @OptionGroup var client: ClientOptions

    /// How many bytes are asked for at a time.
    private static let part = 4 << 20

    func run() async throws {
        let rest = try RESTClient(client)
        let target = BackupDirectory(path: directory)
        try orBroken { try target.create() }
        let manifest = try await rest.call(.POST, "/api/v1/backups")
        guard let id = manifest["id"]?.string else { throw CommandFailure.broken("the node named no backup") }
        do {
            try await copy(manifest, id, from: rest, to: target)
        } catch {
            _ = try? await rest.call(.DELETE, "/api/v1/backups/\(id)")
            throw error
        }
        _ = try await rest.call(.DELETE, "/api/v1/backups/\(id)")
    }

    private func copy(
        _ manifest: JSONView, _ id: String, from rest: RESTClient, to target: BackupDirectory
    ) async throws {
        let storage = try orBroken { try target.storage() }
        let files = try BackupManifest(manifest).files
        for (name, size) in files {
            var position = 0
            try orBroken { try target.append([], to: name, in: storage) }
            while position < size {
                let count = min(Self.part, size - position)
                let path = "/api/v1/backups/\(id)/\(pathSegment(name))?offset=\(position)&count=\(count)"
                let bytes = try await rest.bytes(path)
                guard bytes.count == count else {
                    throw CommandFailure.broken("\(name) became shorter on the node: its disk loses data")
                }
                try orBroken { try target.append(bytes, to: name, in: storage) }
                position += count
            }
        }
        let check = try orBroken { try target.check(sizes: files) }
        guard check.damage.isEmpty else {
            throw CommandFailure.broken(
                "the copy is damaged (\(check.damage.map(\.description).joined(separator: "; "))): the node holds it so "
                    + "and repairs it from its peers; try again later, or at another node")
        }
        try orBroken { try target.finish(manifest: Array(manifest.bytes), in: storage) }
        if client.json { return writeLine(manifest.bytes) }
        writeLine(
            "\(directory): \(check.records) records in \(check.segments) segments, \(check.bytes) bytes, all checked")
    }
}

/// `roost restore`: makes a data directory of a backup.
struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Make a data directory of a backup.",
        discussion: """
            The node that is started on it is a new one: it draws an id of its own and, where it joins others, gets \
            from them what came after the backup. With --keep-identity it is the node that was backed up: only for one \
            that is gone for good, since two living nodes of one id are refused.
            """)

    @Argument(help: "The backup's directory.")
    var backup: String

    @Argument(help: "The data directory; it is not there yet, or is empty.")
    var data: String

    @Flag(help: "Be the node that was backed up, which must be gone.")
    var keepIdentity = false

    func run() throws {
        let source = BackupDirectory(path: backup)
        let bytes = try orBroken { try source.readManifest() }
        let view: JSONView
        do { view = try JSONView(parsing: bytes) } catch {
            throw CommandFailure.broken("\(backup)/\(BackupDirectory.manifest) is not JSON: \(error)")
        }
        let manifest = try BackupManifest(view)
        let check = try orBroken { try source.check(sizes: manifest.files) }
        guard check.damage.isEmpty else {
            throw CommandFailure.broken(
                "the backup is damaged and was not restored: \(check.damage.map(\.description).joined(separator: "; "))"
            )
        }
        try orBroken {
            try source.restore(
                manifest.files, into: data, as: keepIdentity ? (manifest.node, manifest.epoch) : nil)
        }
        let who = keepIdentity ? "node \(manifest.node) again" : "a new node"
        writeLine("\(data): \(check.records) records of \(manifest.name); roost serve --data \(data) starts \(who)")
    }
}

/// What `backup.json` says.
struct BackupManifest {
    let node: NodeID
    let epoch: Epoch
    let name: String
    let files: [(name: String, size: Int)]

    init(_ view: JSONView) throws(CommandFailure) {
        guard view["version"]?.integer == 1 else {
            throw .broken("the backup is of a version that this build does not read; it reads 1")
        }
        guard let node = view["node"]?.string.flatMap({ UInt64($0, radix: 16) }),
            let epoch = view["epoch"]?.string.flatMap({ UInt64($0, radix: 16) }), let name = view["name"]?.string
        else { throw .broken("the backup does not say of which node it is") }
        (self.node, self.epoch, self.name) = (NodeID(rawValue: node), Epoch(rawValue: epoch), name)
        var files: [(name: String, size: Int)] = []
        for file in view["files"]?.elements() ?? [] {
            guard let name = file["name"]?.string, let size = file["size"]?.integer, size >= 0, !name.isEmpty,
                !name.contains("/"), !name.hasPrefix(".")
            else { throw .broken("the backup names a file wrongly") }
            files.append((name, Int(size)))
        }
        self.files = files
    }
}

/// Does something with files, and says what failed as a command does.
private func orBroken<Value>(_ body: () throws -> Value) throws(CommandFailure) -> Value {
    do { return try body() } catch { throw .broken("\(error)") }
}
