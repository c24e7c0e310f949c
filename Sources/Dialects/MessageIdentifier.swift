import Model

/// A message's id, the same at every door: base64url of the message's origin and time, which no two messages share.
package enum MessageIdentifier {
    /// How many bytes an id has.
    package static let length = 32

    package static func text(_ origin: Origin, _ time: HybridTime) -> String {
        String(unsafeUninitializedCapacity: length) { write(origin, time, to: $0) }
    }

    /// Writes an id into room for ``length`` bytes; gives how many it has.
    package static func write(_ origin: Origin, _ time: HybridTime, to text: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var encoder = Base64URLEncoder(text)
        encoder.append(origin.node.rawValue)
        encoder.append(origin.epoch.rawValue)
        encoder.append(time.rawValue)
        return encoder.finish()
    }
}
