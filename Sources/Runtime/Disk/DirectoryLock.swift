import Glibc
import Journal
import Synchronization

/// A data directory held for this process alone, for as long as the value lives.
package final class DirectoryLock: Sendable {
    /// The file whose lock it is; it holds the process's number.
    package static let fileName = "lock"

    /// -1 once it was let go.
    private let descriptor: Atomic<Int32>

    /// Takes the directory; it must be there. Throws `inUse` with the other process's number where it is taken.
    package init(directory: String) throws(StorageError) {
        let name = "\(directory)/\(Self.fileName)"
        let opened = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard opened >= 0 else { throw .system("cannot open \(name)") }
        guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            defer { close(opened) }
            errno = code
            guard code == EWOULDBLOCK else { throw .system("cannot lock \(name)") }
            throw .inUse(process: Self.process(in: opened))
        }
        let text = Array("\(getpid())\n".utf8)
        guard ftruncate(opened, 0) == 0, pwrite(opened, text, text.count, 0) == text.count else {
            let error = StorageError.system("cannot write \(name)")
            close(opened)
            throw error
        }
        descriptor = Atomic(opened)
    }

    deinit { release() }

    /// Lets the directory go before the value ends.
    package func release() {
        let held = descriptor.exchange(-1, ordering: .relaxed)
        if held >= 0 { close(held) }
    }

    private static func process(in descriptor: Int32) -> Int32 {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        let digits = bytes.prefix(max(0, count)).prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return Int32(String(decoding: digits, as: UTF8.self)) ?? 0
    }
}
