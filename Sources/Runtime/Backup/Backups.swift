import Broker
import Foundation
import Journal
import Model
import NIOPosix
import Synchronization

/// A backup that is being taken of a node.
package struct BackupDescription: Sendable, Equatable {
    /// Names it in requests; a new one each time.
    package let id: String
    package let identity: NodeIdentity
    package let epoch: Epoch
    package let takenAt: WallTime
    package let listing: BackupListing
}

/// The one backup that a node may have under way: files that stay as they are until it is ended.
package final class Backups: Sendable {
    private let log: LogThread
    private let storage: any Storage
    private let identity: NodeIdentity
    private let epoch: Epoch
    private let clock: @Sendable () -> Now
    private let current = Mutex<(description: BackupDescription, lastRead: MonotonicTime)?>(nil)

    /// How long a backup that nobody reads from is held: 10 minutes.
    static let patience: Duration = .seconds(600)
    /// The most bytes of one read: 8 MiB.
    static let readLimit = 8 << 20

    init(
        log: LogThread, storage: any Storage, identity: NodeIdentity, epoch: Epoch, clock: @escaping @Sendable () -> Now
    ) {
        self.log = log
        self.storage = storage
        self.identity = identity
        self.epoch = epoch
        self.clock = clock
    }

    /// Fixes the present moment.
    func begin() async -> Result<BackupDescription, Refusal> {
        guard !isBusy else {
            return .failure(.notSupported("another backup of this node is under way: wait until it has ended"))
        }
        let result = await withCheckedContinuation { continuation in
            log.beginBackup { continuation.resume(returning: $0) }
        }
        switch result {
        case .success(let listing):
            let now = clock()
            let description = BackupDescription(
                id: hexadecimal(UInt64.random(in: 1 ... .max), digits: 16), identity: identity, epoch: epoch,
                takenAt: now.wall, listing: listing)
            current.withLock { $0 = (description, now.monotonic) }
            return .success(description)
        case .failure(let error): return .failure(.internal("the backup could not be begun: \(error)"))
        }
    }

    private var isBusy: Bool {
        let now = clock().monotonic
        return current.withLock { current in current.map { now - $0.lastRead < Self.patience } ?? false }
    }

    /// Reads a part of one of its files.
    func read(_ id: String, file: String, at position: Int, count: Int) async -> Result<[UInt8], Refusal> {
        let now = clock().monotonic
        let link: String? = current.withLock { current in
            guard current?.description.id == id else { return nil }
            current?.lastRead = now
            return current?.description.listing.files.first { $0.name == file }?.link
        }
        guard let link else {
            return .failure(.invalidMessage("no backup under way has this id and file; begin another"))
        }
        guard position >= 0, (1...Self.readLimit).contains(count) else {
            return .failure(.invalidMessage("offset is from 0 on, and count from 1 to \(Self.readLimit)"))
        }
        do {
            return .success(
                try await NIOThreadPool.singleton.runIfActive { [storage] in
                    try storage.read(link, at: position, count: count)
                })
        } catch {
            return .failure(.internal("the backup's file could not be read: \(error)"))
        }
    }

    /// Lets go of a backup's files.
    func end(_ id: String) async -> Bool {
        guard current.withLock({ $0?.description.id == id }) else { return false }
        await withCheckedContinuation { continuation in
            log.endBackup { continuation.resume() }
        }
        current.withLock { $0 = nil }
        return true
    }
}
