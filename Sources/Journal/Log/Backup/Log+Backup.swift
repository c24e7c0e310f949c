import Model

/// A file of a backup that is being taken.
package struct BackupFile: Sendable, Equatable {
    /// What it is called in the data directory.
    package let name: String
    /// The name under which its content stays until the backup is ended, whatever becomes of the file.
    package let link: String
    /// In bytes.
    package let size: Int
}

/// One moment of a log, as files.
package struct BackupListing: Sendable, Equatable {
    package let files: [BackupFile]
    /// The last local sequence in it.
    package let sequence: UInt64
}

extension Log {
    /// What the names of files begin with that only a backup holds; what an earlier run left of them is removed at the
    /// start.
    static let backupPrefix = "backup-"

    /// Fixes the present moment: everything appended so far is synced and stands in files that change no more.
    ///
    /// No byte is copied: each file gets a second name, so that its content outlives retention and repairs.
    package mutating func beginBackup() throws(StorageError) -> BackupListing {
        try endBackup()
        try endSegment()
        try writeCheckpoint()
        var files: [BackupFile] = []
        let closed = order.filter { segments[$0]!.firstSequence <= appendedThrough }.map { segments[$0]!.name }
        for name in closed + (lastCheckpoint.map { [$0] } ?? []) {
            let link = Self.backupPrefix + name
            do { try storage.link(name, as: link) } catch StorageError.missing { continue }
            files.append(BackupFile(name: name, link: link, size: try storage.size(of: link)))
        }
        return BackupListing(files: files, sequence: appendedThrough)
    }

    /// Lets go of what the last backup held.
    package mutating func endBackup() throws(StorageError) {
        for name in try storage.list() where name.hasPrefix(Self.backupPrefix) { try storage.remove(name) }
    }
}
