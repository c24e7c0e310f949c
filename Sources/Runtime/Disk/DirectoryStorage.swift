import Glibc
import Journal
import Synchronization

/// Real files in one directory.
///
/// Descriptors stay open; a sync runs outside the lock, so that appends and reads go on meanwhile.
package final class DirectoryStorage: Storage {
    private let path: String
    private let open = Mutex<[String: OpenFile]>([:])

    /// Opens a directory, and makes it where it is not there yet; its parent must be there.
    package init(path: String) throws(StorageError) {
        self.path = path
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw .system("cannot make \(path)") }
        guard access(path, R_OK | W_OK | X_OK) == 0 else { throw .system("cannot use \(path)") }
    }

    package func list() throws(StorageError) -> [String] {
        guard let directory = opendir(path) else { throw .system("cannot list \(path)") }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    package func create(_ name: String) throws(StorageError) {
        let descriptor = Glibc.open(full(name), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST { throw .exists(name) }
            throw .system("cannot make \(name)")
        }
        let file = OpenFile(descriptor: descriptor)
        open.withLock { $0[name] = file }
    }

    package func append(_ bytes: [UInt8], to name: String) throws(StorageError) {
        let file = try file(name)
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { write(file.descriptor, $0.baseAddress! + written, $0.count - written) }
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("cannot write \(name)")
            }
            written += count
        }
    }

    package func read(_ name: String, at position: Int, count: Int) throws(StorageError) -> [UInt8] {
        let file = try file(name)
        guard count > 0 else { return [] }
        var problem: StorageError?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = 0
            while initialized < count {
                let got = pread(
                    file.descriptor, buffer.baseAddress! + initialized, count - initialized, position + initialized)
                if got == 0 { return }
                if got < 0 {
                    if errno == EINTR { continue }
                    problem = .system("cannot read \(name)")
                    return
                }
                initialized += got
            }
        }
        if let problem { throw problem }
        return bytes
    }

    package func readAfresh(_ name: String, at position: Int, count: Int) throws(StorageError) -> [UInt8] {
        let file = try file(name)
        // Written pages that are not read by others leave the memory; where that is refused they are read from there.
        _ = posix_fadvise(file.descriptor, position, count, POSIX_FADV_DONTNEED)
        return try read(name, at: position, count: count)
    }

    package func size(of name: String) throws(StorageError) -> Int {
        let file = try file(name)
        var status = stat()
        guard fstat(file.descriptor, &status) == 0 else { throw .system("cannot measure \(name)") }
        return Int(status.st_size)
    }

    package func sync(_ name: String) throws(StorageError) {
        let file = try file(name)
        guard fdatasync(file.descriptor) == 0 else { throw .system("cannot sync \(name)") }
    }

    package func truncate(_ name: String, to size: Int) throws(StorageError) {
        let file = try file(name)
        guard ftruncate(file.descriptor, size) == 0 else { throw .system("cannot cut \(name)") }
    }

    package func remove(_ name: String) throws(StorageError) {
        open.withLock { $0[name] = nil }
        guard unlink(full(name)) == 0 else {
            if errno == ENOENT { throw .missing(name) }
            throw .system("cannot remove \(name)")
        }
    }

    package func rename(_ name: String, to newName: String) throws(StorageError) {
        guard Glibc.rename(full(name), full(newName)) == 0 else {
            if errno == ENOENT { throw .missing(name) }
            throw .system("cannot rename \(name)")
        }
        open.withLock { $0[newName] = $0.removeValue(forKey: name) }
    }

    package func link(_ name: String, as newName: String) throws(StorageError) {
        guard Glibc.link(full(name), full(newName)) == 0 else {
            if errno == ENOENT { throw .missing(name) }
            if errno == EEXIST { throw .exists(newName) }
            throw .system("cannot link \(name)")
        }
    }

    package func syncDirectory() throws(StorageError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open \(path)") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system("cannot sync \(path)") }
    }

    private func full(_ name: String) -> String { "\(path)/\(name)" }

    private func file(_ name: String) throws(StorageError) -> OpenFile {
        if let file = open.withLock({ $0[name] }) { return file }
        let descriptor = Glibc.open(full(name), O_RDWR | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { throw .missing(name) }
            throw .system("cannot open \(name)")
        }
        let file = OpenFile(descriptor: descriptor)
        return open.withLock { files in
            if let known = files[name] { return known }
            files[name] = file
            return file
        }
    }
}

/// A descriptor that is closed when nobody uses it any more.
private final class OpenFile: Sendable {
    let descriptor: Int32

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }
}

extension StorageError {
    /// The error that `errno` says, after what could not be done.
    static func system(_ what: String) -> StorageError {
        let code = errno
        return switch code {
        case ENOSPC, EDQUOT: .full
        case EROFS: .readOnly
        default: .failed("\(what): \(String(cString: strerror(code)))")
        }
    }
}
