import Model

/// The seam to a directory of append-only files.
///
/// One owner appends, renames and removes; ``sync(_:)`` may be called from another thread meanwhile, so that a slow
/// disk stops neither appends nor reads.
package protocol Storage: AnyObject, Sendable {
    /// The names of all files, in order.
    func list() throws(StorageError) -> [String]

    /// Makes an empty file; one of that name must not exist.
    func create(_ name: String) throws(StorageError)

    /// Appends all of the bytes. After an error any prefix of them may be in the file: the caller truncates it.
    func append(_ bytes: [UInt8], to name: String) throws(StorageError)

    /// Reads up to `count` bytes from `position`; fewer only where the file ends.
    func read(_ name: String, at position: Int, count: Int) throws(StorageError) -> [UInt8]

    /// Reads as ``read(_:at:count:)`` does, but what the disk holds, where the system may remember it otherwise.
    func readAfresh(_ name: String, at position: Int, count: Int) throws(StorageError) -> [UInt8]

    /// The length of a file in bytes.
    func size(of name: String) throws(StorageError) -> Int

    /// Returns when everything that was appended to the file before the call survives a power cut.
    func sync(_ name: String) throws(StorageError)

    /// Cuts a file to its first `size` bytes.
    func truncate(_ name: String, to size: Int) throws(StorageError)

    /// Removes a file.
    func remove(_ name: String) throws(StorageError)

    /// Gives a file another name at once, in place of any file that has it.
    func rename(_ name: String, to newName: String) throws(StorageError)

    /// Gives a file a second name at once; its content stays for as long as one of them does.
    func link(_ name: String, as newName: String) throws(StorageError)

    /// Returns when creations, renamings and removals before the call survive a power cut.
    func syncDirectory() throws(StorageError)
}

extension Storage {
    /// The same as ``read(_:at:count:)``, for what has no memory of its own.
    package func readAfresh(_ name: String, at position: Int, count: Int) throws(StorageError) -> [UInt8] {
        try read(name, at: position, count: count)
    }
}

/// Why a file could not be read or written.
package enum StorageError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The disk, or the quota, has no room left. It may have again later.
    case full
    /// The file system only reads.
    case readOnly
    /// There is no file of that name.
    case missing(String)
    /// There is a file of that name already.
    case exists(String)
    /// Another process holds the directory.
    case inUse(process: Int32)
    /// Anything else; the text is the system's.
    case failed(String)

    package var description: String {
        switch self {
        case .full: "the disk is full"
        case .readOnly: "the file system is read-only"
        case .missing(let name): "\(name) does not exist"
        case .exists(let name): "\(name) exists already"
        case .inUse(let process): "the data directory is in use by process \(process)"
        case .failed(let text): text
        }
    }
}

/// Why a log could not be opened.
package enum LogError: Error, Equatable, Sendable, CustomStringConvertible {
    case storage(StorageError)
    /// A file is not what its name says, or of a version that this build does not read.
    case format(file: String, FormatError)

    package var description: String {
        switch self {
        case .storage(let error): error.description
        case .format(let file, let error): "\(file): \(error)"
        }
    }
}
