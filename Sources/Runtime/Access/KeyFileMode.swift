import Foundation

/// Whether users other than the owner and the group may read a file that only its owner should; false where it is missing.
func isReadableByEveryone(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IROTH != 0
}
