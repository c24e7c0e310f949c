import Glibc
import Journal
import Model

/// Moves what a node that was removed from its cluster held out of the way, so that the directory begins anew.
///
/// Nothing is deleted: every file of Roost's own goes into a folder inside the data directory. The identity goes last, so
/// that a crash on the way leaves the old node, which is removed again at its next start.
enum SetAside {
    /// The folder for what a run of a node held.
    static func folder(of identity: Journal.NodeIdentity) -> String { "set-aside-\(identity.node)-\(identity.epoch)" }

    /// Moves the files; gives the folder's path.
    static func perform(in directory: String, _ identity: Journal.NodeIdentity) throws(StorageError) -> String {
        let place = "\(directory)/\(folder(of: identity))"
        if mkdir(place, 0o700) != 0, errno != EEXIST { throw .system("cannot make \(place)") }
        let names = try DirectoryStorage(path: directory).list().filter { $0.hasSuffix(".roost") }
        let last = Journal.NodeIdentity.fileName
        for name in names.filter({ $0 != last }) + names.filter({ $0 == last }) {
            guard rename("\(directory)/\(name)", "\(place)/\(name)") == 0 else { throw .system("cannot move \(name)") }
        }
        try DirectoryStorage(path: place).syncDirectory()
        try DirectoryStorage(path: directory).syncDirectory()
        return place
    }
}
