import COpenSSL
import Model

/// HKDF with SHA-256 (RFC 5869): `count` bytes, at most 8,160, from a secret, a salt and a context.
package func hkdfSHA256(key: [UInt8], salt: [UInt8], info: [UInt8], count: Int) -> [UInt8] {
    guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nil) else {
        preconditionFailure("the crypto library has HKDF")
    }
    defer { EVP_PKEY_CTX_free(context) }
    var length = count
    let derived = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        let succeeded =
            EVP_PKEY_derive_init(context) == 1
            && EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1
            && EVP_PKEY_CTX_set1_hkdf_salt(context, salt, Int32(salt.count)) == 1
            && EVP_PKEY_CTX_set1_hkdf_key(context, key, Int32(key.count)) == 1
            && EVP_PKEY_CTX_add1_hkdf_info(context, info, Int32(info.count)) == 1
            && EVP_PKEY_derive(context, buffer.baseAddress, &length) == 1
        precondition(succeeded, "HKDF fails only for lengths that it is never asked for")
        initialized = length
    }
    return derived
}

/// The two ways in which nodes talk; each has keys of its own.
package enum LinkChannel: UInt8, Sendable {
    /// The nanomsg bus: every frame's counter must be above the last one's.
    case bus = 1
    /// The UDP socket of the membership protocol: packets may overtake one another within a window.
    case gossip = 2
}

/// One end of a session: who, and in which run.
package struct LinkEnd: Hashable, Sendable {
    /// The node.
    package let node: NodeID
    /// Its boot.
    package let boot: Boot

    package init(node: NodeID, boot: Boot) {
        self.node = node
        self.boot = boot
    }
}

/// Derives every sealing key of one cluster and channel; the cluster's name is the salt, so equal keys under two names
/// do not meet.
package struct KeySchedule: Sendable {
    private let salt: [UInt8]
    private let channel: LinkChannel

    package init(cluster: String, channel: LinkChannel) {
        salt = Array(cluster.utf8)
        self.channel = channel
    }

    /// The key that every node of the cluster seals its hellos with on this channel.
    package func helloKey(_ key: ClusterKeyRing.Key) -> [UInt8] {
        var info = ByteWriter()
        info.string("roost 1 hello")
        info.u8(channel.rawValue)
        return hkdfSHA256(key: key.bytes, salt: salt, info: info.bytes, count: ClusterKeyRing.keyLength)
    }

    /// The key for data from one end to the other; the way back has another.
    package func dataKey(_ key: ClusterKeyRing.Key, from sender: LinkEnd, to receiver: LinkEnd) -> [UInt8] {
        var info = ByteWriter(reservingCapacity: 96)
        info.string("roost 1 data")
        info.u8(channel.rawValue)
        for end in [sender, receiver] {
            info.u64(end.node.rawValue)
            info.u64(end.boot.high)
            info.u64(end.boot.low)
        }
        return hkdfSHA256(key: key.bytes, salt: salt, info: info.bytes, count: ClusterKeyRing.keyLength)
    }
}
