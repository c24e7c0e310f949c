import Foundation

/// The cluster's key as a file.
enum ClusterKeyFile {
    /// The file in the data directory of a node that was given no key.
    static let name = "cluster.key"

    /// Reads the files that are named, or the data directory's own, which is made where it is missing.
    static func load(_ configuration: NodeConfiguration) throws -> ClusterKeyRing {
        let paths = configuration.clusterKeyFiles
        if !paths.isEmpty { return try parse(try paths.map(read).joined(separator: "\n"), of: paths.joined(separator: ", ")) }
        let path = configuration.dataDirectory + "/" + name
        if FileManager.default.fileExists(atPath: path) { return try parse(try read(path), of: path) }
        let keys = ClusterKeyRing.random()
        guard FileManager.default.createFile(
            atPath: path, contents: Data(keys.fileText.utf8), attributes: [.posixPermissions: 0o600])
        else { throw NodeFailure("the cluster key \(path) cannot be written: \(String(cString: strerror(errno)))") }
        return keys
    }

    private static func parse(_ text: String, of file: String) throws -> ClusterKeyRing {
        do {
            return try ClusterKeyRing(parsing: text)
        } catch {
            throw NodeFailure("cluster key file \(file): \(error)", isConfiguration: true)
        }
    }

    private static func read(_ path: String) throws -> String {
        do {
            return try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw NodeFailure(
                "the cluster key file \(path) cannot be read: \((error as NSError).localizedDescription)",
                isConfiguration: true)
        }
    }
}
