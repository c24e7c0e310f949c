import Journal
import Model
import Synchronization

/// A directory in memory whose power can fail, whose disk can be full, and whose bits can flip.
///
/// What was not synced is lost in part when the power fails: of every file a seeded prefix of the unsynced bytes stays,
/// its last bytes perhaps zeros, and unsynced changes to the directory stay or go one by one.
package final class MemoryStorage: Storage {
    /// One file's bytes, and how many of them are synced.
    fileprivate struct File {
        var bytes: [UInt8] = []
        var synced: [UInt8] = []
    }

    fileprivate struct State {
        /// By name: the file's number.
        var directory: [String: Int] = [:]
        var syncedDirectory: [String: Int] = [:]
        var files: [Int: File] = [:]
        var nextFile = 0
        var capacity = Int.max
        var failure: StorageError?
        var syncFailure: StorageError?
        var onSync: @Sendable () -> Void = {}
        var appends = 0
        var reads = 0
        var syncs = 0
    }

    private let state = Mutex(State())

    package init() {}

    // MARK: The seam

    package func list() throws(StorageError) -> [String] {
        state.withLock { $0.directory.keys.sorted() }
    }

    package func create(_ name: String) throws(StorageError) {
        try change { state throws(StorageError) in
            guard state.directory[name] == nil else { throw .exists(name) }
            state.directory[name] = state.nextFile
            state.files[state.nextFile] = File()
            state.nextFile += 1
        }
    }

    package func append(_ bytes: [UInt8], to name: String) throws(StorageError) {
        try change { state throws(StorageError) in
            let file = try state.file(name)
            state.appends += 1
            let room = max(0, state.capacity - state.size)
            state.files[file]!.bytes += bytes.prefix(room)
            if room < bytes.count { throw .full }
        }
    }

    package func read(_ name: String, at position: Int, count: Int) throws(StorageError) -> [UInt8] {
        try access { state throws(StorageError) in
            state.reads += 1
            let bytes = state.files[try state.file(name)]!.bytes
            guard position < bytes.count else { return [] }
            return Array(bytes[position..<min(bytes.count, position + count)])
        }
    }

    package func size(of name: String) throws(StorageError) -> Int {
        try access { state throws(StorageError) in state.files[try state.file(name)]!.bytes.count }
    }

    package func sync(_ name: String) throws(StorageError) {
        state.withLock { $0.onSync }()
        try access { state throws(StorageError) in
            state.syncs += 1
            if let failure = state.syncFailure { throw failure }
            let file = try state.file(name)
            state.files[file]!.synced = state.files[file]!.bytes
        }
    }

    package func truncate(_ name: String, to size: Int) throws(StorageError) {
        try change { state throws(StorageError) in
            let file = try state.file(name)
            let excess = state.files[file]!.bytes.count - size
            if excess > 0 { state.files[file]!.bytes.removeLast(excess) }
        }
    }

    package func remove(_ name: String) throws(StorageError) {
        try change { state throws(StorageError) in
            _ = try state.file(name)
            state.directory[name] = nil
        }
    }

    package func rename(_ name: String, to newName: String) throws(StorageError) {
        try change { state throws(StorageError) in
            state.directory[newName] = try state.file(name)
            state.directory[name] = nil
        }
    }

    package func link(_ name: String, as newName: String) throws(StorageError) {
        try change { state throws(StorageError) in
            guard state.directory[newName] == nil else { throw .exists(newName) }
            state.directory[newName] = try state.file(name)
        }
    }

    package func syncDirectory() throws(StorageError) {
        try access { state throws(StorageError) in
            if let failure = state.syncFailure { throw failure }
            state.syncedDirectory = state.directory
        }
    }

    // MARK: What can go wrong

    /// How many bytes all files may hold together; less than they hold refuses every append.
    package var capacity: Int {
        get { state.withLock { $0.capacity } }
        set { state.withLock { $0.capacity = newValue } }
    }

    /// What every change is refused with; nil for none.
    package var failure: StorageError? {
        get { state.withLock { $0.failure } }
        set { state.withLock { $0.failure = newValue } }
    }

    /// What every sync fails with; nil for none.
    package var syncFailure: StorageError? {
        get { state.withLock { $0.syncFailure } }
        set { state.withLock { $0.syncFailure = newValue } }
    }

    /// Called at the beginning of every sync of a file, on its thread, which it may hold up.
    package func onSync(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onSync = body } }

    /// How often files were read from.
    package var reads: Int { state.withLock { $0.reads } }

    /// How many bytes all files hold together.
    package var size: Int { state.withLock { $0.size } }

    /// What is there after the power failed now; this directory is left as it is.
    package func afterPowerLoss(random: inout RandomSource) -> MemoryStorage {
        state.withLock { state in
            let other = MemoryStorage()
            for name in Set(state.directory.keys).union(state.syncedDirectory.keys).sorted() {
                let (now, then) = (state.directory[name], state.syncedDirectory[name])
                guard let number = now == then || Bool.random(using: &random) ? now : then else { continue }
                other.put(name, state.files[number]!.afterPowerLoss(random: &random))
            }
            return other
        }
    }

    /// The files that exactly these bytes are in, synced.
    package convenience init(_ files: [String: [UInt8]]) {
        self.init()
        for (name, bytes) in files { put(name, bytes) }
    }

    /// Every file's bytes, by name.
    package var contents: [String: [UInt8]] {
        state.withLock { state in state.directory.mapValues { state.files[$0]!.bytes } }
    }

    /// Turns one bit of a file over.
    package func flip(bit: Int, ofByte position: Int, in name: String) {
        state.withLock { state in
            guard let file = state.directory[name] else { return }
            state.files[file]!.bytes[position] ^= 1 << UInt8(bit)
            if position < state.files[file]!.synced.count { state.files[file]!.synced[position] ^= 1 << UInt8(bit) }
        }
    }

    /// Makes a stretch of a file zeros, whatever was synced.
    package func clear(_ range: Range<Int>, in name: String) {
        change(name) { bytes in
            for index in range where index < bytes.count { bytes[index] = 0 }
        }
    }

    /// Takes the end of a file away, whatever was synced.
    package func cut(_ name: String, to size: Int) {
        change(name) { bytes in
            if bytes.count > size { bytes.removeLast(bytes.count - size) }
        }
    }

    private func change(_ name: String, _ body: @Sendable (inout [UInt8]) -> Void) {
        state.withLock { state in
            guard let file = state.directory[name] else { return }
            body(&state.files[file]!.bytes)
            body(&state.files[file]!.synced)
        }
    }

    private func put(_ name: String, _ bytes: [UInt8]) {
        state.withLock { state in
            state.files[state.nextFile] = File(bytes: bytes, synced: bytes)
            state.directory[name] = state.nextFile
            state.syncedDirectory[name] = state.nextFile
            state.nextFile += 1
        }
    }

    private func change(_ body: (inout sending State) throws(StorageError) -> Void) throws(StorageError) {
        try access { state throws(StorageError) in
            if let failure = state.failure { throw failure }
            try body(&state)
        }
    }

    private func access<Value: Sendable>(
        _ body: (inout sending State) throws(StorageError) -> Value
    ) throws(StorageError) -> Value {
        try state.withLock { state throws(StorageError) in try body(&state) }
    }
}

extension MemoryStorage.State {
    fileprivate func file(_ name: String) throws(StorageError) -> Int {
        guard let file = directory[name] else { throw .missing(name) }
        return file
    }

    fileprivate var size: Int { directory.values.reduce(0) { $0 + files[$1]!.bytes.count } }
}

extension MemoryStorage.File {
    /// The synced bytes as far as they were not cut off since, and some of those that came after.
    fileprivate func afterPowerLoss(random: inout RandomSource) -> [UInt8] {
        guard bytes.count >= synced.count, Array(bytes.prefix(synced.count)) == synced else {
            return Bool.random(using: &random) ? bytes : synced
        }
        var kept = Array(bytes.prefix(Int.random(in: synced.count...bytes.count, using: &random)))
        // A page whose size was written and whose bytes were not reads as zeros.
        if kept.count > synced.count, Bool.random(using: &random) {
            for index in Int.random(in: synced.count..<kept.count, using: &random)..<kept.count { kept[index] = 0 }
        }
        return kept
    }
}
