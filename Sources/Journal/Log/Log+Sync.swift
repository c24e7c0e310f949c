import Model

/// What one sync makes durable.
package struct SyncTicket: Sendable {
    let files: [String]
    let directory: Bool
    let place: LogPlace
    /// Everything up to this local sequence is durable once it is done.
    package let through: UInt64

    /// Does it; to be called on any one thread.
    package func perform(on storage: any Storage) throws(StorageError) {
        if directory { try storage.syncDirectory() }
        for file in files {
            // A file that is gone was durable as a whole and dropped since.
            do { try storage.sync(file) } catch StorageError.missing {}
        }
    }
}

extension Log {
    /// What to sync next; nil while a sync runs, after a failure, and when all is durable.
    package mutating func nextSync() -> SyncTicket? {
        guard !isSyncing, failure == nil, durableThrough < appendedThrough else { return nil }
        isSyncing = true
        return ticket()
    }

    private mutating func ticket() -> SyncTicket {
        defer { isDirectoryDirty = false }
        let unsynced = order.compactMap { segments[$0] }
            .filter { LogPlace(segment: $0.firstSequence, length: $0.size) > durable }
        return SyncTicket(
            files: unsynced.map(\.name), directory: isDirectoryDirty, place: end, through: appendedThrough)
    }

    /// The sync of a ticket is done.
    package mutating func synced(_ ticket: SyncTicket) {
        isSyncing = false
        settle(ticket)
    }

    private mutating func settle(_ ticket: SyncTicket) {
        durable = max(durable, ticket.place)
        durableThrough = max(durableThrough, ticket.through)
        if durable >= end { durableThrough = appendedThrough }
    }

    /// A sync failed: what the system still holds is unknown, and nothing more is accepted.
    ///
    /// Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020.
    package mutating func failed(_ error: StorageError) {
        isSyncing = false
        failure = error
    }

    /// Syncs everything before it returns; what has no thread for it uses this.
    package mutating func syncNow() throws(StorageError) {
        if let failure { throw failure }
        guard durableThrough < appendedThrough || durable < end || isDirectoryDirty else { return }
        let ticket = ticket()
        do {
            try ticket.perform(on: storage)
        } catch {
            failure = error
            throw error
        }
        settle(ticket)
    }
}
