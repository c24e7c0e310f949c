import Glibc
import Journal
import Model
import Runtime
import Simulator
import Testing

/// The storages that must behave alike.
enum StorageKind: CaseIterable {
    case memory, directory

    /// A new, empty storage, for as long as `body` runs.
    func with(_ body: (any Storage) throws -> Void) throws {
        switch self {
        case .memory: try body(MemoryStorage())
        case .directory:
            try TemporaryDirectory.with { path in try body(try DirectoryStorage(path: path)) }
        }
    }
}

/// A directory that is there for as long as a test.
enum TemporaryDirectory {
    static func with(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/roost-test-XXXXXX".utf8CString)
        let path = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer {
            if let directory = opendir(path) {
                while let entry = readdir(directory) {
                    let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                    }
                    unlink("\(path)/\(name)")
                }
                closedir(directory)
            }
            rmdir(path)
        }
        try body(path)
    }
}

@Suite("A storage")
struct StorageContractTests {
    @Test("appends, measures, reads, cuts, renames, lists and removes files", arguments: StorageKind.allCases)
    func files(kind: StorageKind) throws {
        try kind.with { storage in
            #expect(try storage.list() == [])
            try storage.create("b")
            try storage.create("a")
            #expect(throws: StorageError.exists("a")) { try storage.create("a") }
            try storage.append([1, 2, 3], to: "a")
            try storage.append([4, 5], to: "a")
            #expect(try storage.size(of: "a") == 5)
            #expect(try storage.read("a", at: 1, count: 3) == [2, 3, 4])
            #expect(try storage.read("a", at: 3, count: 100) == [4, 5])
            #expect(try storage.read("a", at: 5, count: 1) == [])
            try storage.sync("a")
            try storage.truncate("a", to: 2)
            try storage.append([9], to: "a")
            #expect(try storage.read("a", at: 0, count: 9) == [1, 2, 9])
            #expect(try storage.list() == ["a", "b"])
            try storage.rename("a", to: "b")
            try storage.syncDirectory()
            #expect(try storage.read("b", at: 0, count: 9) == [1, 2, 9])
            try storage.append([8], to: "b")
            #expect(try storage.size(of: "b") == 4)
            #expect(throws: StorageError.missing("a")) { _ = try storage.size(of: "a") }
            try storage.remove("b")
            #expect(throws: StorageError.missing("b")) { try storage.remove("b") }
            #expect(throws: StorageError.missing("b")) { try storage.append([1], to: "b") }
            #expect(throws: StorageError.missing("b")) { try storage.sync("b") }
            #expect(try storage.list() == [])
        }
    }

    @Test("keeps a file's content under a second name, whatever becomes of the first", arguments: StorageKind.allCases)
    func links(kind: StorageKind) throws {
        try kind.with { storage in
            try storage.create("a")
            try storage.append([1, 2], to: "a")
            try storage.link("a", as: "held")
            #expect(throws: StorageError.exists("held")) { try storage.link("a", as: "held") }
            #expect(throws: StorageError.missing("z")) { try storage.link("z", as: "y") }
            try storage.create("b")
            try storage.append([7], to: "b")
            try storage.rename("b", to: "a")
            #expect(try storage.read("held", at: 0, count: 9) == [1, 2])
            #expect(try storage.readAfresh("a", at: 0, count: 9) == [7])
            try storage.remove("a")
            #expect(try storage.read("held", at: 1, count: 9) == [2])
        }
    }

    @Test("carries a log through segments, checkpoints, rewriting and opening", arguments: StorageKind.allCases)
    func log(kind: StorageKind) throws {
        try kind.with { storage in
            var author = Author()
            var log = try Log.open(storage, settings: .small).log
            try log.keep([author.creation(retention: Retention(messages: 30)), author.creation(.topic("b"))])
            for index in 0..<100 {
                try log.keep([author.message(), author.message(.second, topic: index % 9 == 0 ? .topic("b") : .news)])
            }
            var done = try log.keepHouse(at: .at(2_000))
            for _ in 0..<100 { done.rewritten += try log.keepHouse(at: .at(2_000)).rewritten }
            #expect(done.dropped > 0)
            var (reopened, recovered) = try Log.open(storage, settings: .small)
            #expect(recovered.vector == log.vector && recovered.holes.isEmpty && recovered.cut == nil)
            for topic in [TopicName.news, .topic("b")] {
                let (left, right) = (try log.follow(topic), try reopened.follow(topic))
                #expect(left.sequences == right.sequences && left.gaps == right.gaps)
                #expect(right.messages.count == (topic == .news ? 30 : 12))
            }
        }
    }

    @Test("keeps a node's identity, and takes a later epoch at each start", arguments: StorageKind.allCases)
    func identity(kind: StorageKind) throws {
        try kind.with { storage in
            var random = RandomSource(seed: 5)
            #expect(try NodeIdentity.load(storage) == nil)
            let first = try NodeIdentity.begin(in: storage, at: .at(5_000), random: &random)
            let second = try NodeIdentity.begin(in: storage, at: .at(4_000), random: &random)
            #expect(first.node == second.node && first.epoch < second.epoch)
            #expect(try NodeIdentity.load(storage) == second)
            let bytes = try storage.read(NodeIdentity.fileName, at: 0, count: 100)
            try storage.truncate(NodeIdentity.fileName, to: bytes.count - 1)
            #expect(throws: LogError.format(file: NodeIdentity.fileName, .truncated)) {
                _ = try NodeIdentity.load(storage)
            }
        }
    }
}

@Suite("A data directory")
struct DataDirectoryTests {
    @Test("is held by one owner, whose process it names")
    func lock() throws {
        try TemporaryDirectory.with { path in
            let held = try DirectoryLock(directory: path)
            #expect(throws: StorageError.inUse(process: getpid())) { _ = try DirectoryLock(directory: path) }
            withExtendedLifetime(held) {}
        }
    }

    @Test("is free again once its owner is gone")
    func release() throws {
        try TemporaryDirectory.with { path in
            do { _ = try DirectoryLock(directory: path) }
            _ = try DirectoryLock(directory: path)
        }
    }

    @Test("cannot be a place that cannot be written")
    func missing() {
        #expect(throws: StorageError.self) { _ = try DirectoryStorage(path: "/nonexistent/directory") }
    }
}

@Suite("CRC-32C")
struct CRC32CTests {
    @Test("has the values of RFC 3720 appendix B.4")
    func vectors() {
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum(Array(0..<32)) == 0x46DD_794E)
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
    }
}
