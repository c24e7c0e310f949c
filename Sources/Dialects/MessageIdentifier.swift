import Model

/// A message's id, the same at every door.
package enum MessageIdentifier {
    /// Base64url of the message's origin and time, which no two messages share; 32 characters.
    package static func text(_ origin: Origin, _ time: HybridTime) -> String {
        var bytes = ByteWriter(reservingCapacity: 24)
        bytes.u64(origin.node.rawValue)
        bytes.u64(origin.epoch.rawValue)
        bytes.u64(time.rawValue)
        return base64URLEncode(bytes.bytes)
    }
}
