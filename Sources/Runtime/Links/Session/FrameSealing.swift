import Model

/// Seals data for one session; owned by one thread.
package final class FrameSealer {
    private let context: SealingContext
    private let header: [UInt8]
    /// The counter of the next frame.
    package private(set) var nextCounter: UInt64

    /// A sealer for frames from us to `peer`. A counter must never be used twice under one key, so `firstCounter` is
    /// above every counter that any earlier sealer of this link has used.
    package init(
        identity: LinkIdentity, peer: LinkEnd, channel: LinkChannel, keys: ClusterKeyRing, firstCounter: UInt64
    ) {
        let schedule = KeySchedule(cluster: identity.cluster, channel: channel)
        context = SealingContext(key: schedule.dataKey(keys.active, from: identity.end, to: peer))
        header = SealedHeader(kind: .data, keyIndex: keys.active.index, boot: identity.boot).bytes
        nextCounter = firstCounter
    }

    /// Writes a sealed frame to `destination`, which is ``SealedHeader/dataOverhead`` bytes longer than the plaintext.
    package func seal(_ plaintext: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer) {
        precondition(
            destination.count == plaintext.count + SealedHeader.dataOverhead, "room for exactly the sealed frame")
        let counter = nextCounter
        nextCounter += 1
        destination.copyBytes(from: header)
        destination.storeBytes(of: counter.bigEndian, toByteOffset: SealedHeader.length, as: UInt64.self)
        withDataNonce(counter) { nonce in
            context.seal(
                plaintext, authenticating: UnsafeRawBufferPointer(rebasing: destination[..<SealedHeader.length]),
                nonce: nonce, into: .init(rebasing: destination[(SealedHeader.length + SealedHeader.counterLength)...]))
        }
    }
}

/// Opens the data of one session and refuses what it has seen; owned by one thread.
package final class FrameOpener {
    /// The other end.
    package let peer: LinkEnd
    private let contexts: [(index: UInt8, context: OpeningContext)]
    private var replays: ReplayGuard

    /// An opener for frames from `peer` to us, the first of which has at least `firstCounter`.
    package init(
        identity: LinkIdentity, peer: LinkEnd, channel: LinkChannel, keys: ClusterKeyRing, firstCounter: UInt64
    ) {
        self.peer = peer
        let schedule = KeySchedule(cluster: identity.cluster, channel: channel)
        contexts = keys.keys.map {
            ($0.index, OpeningContext(key: schedule.dataKey($0, from: peer, to: identity.end)))
        }
        replays = ReplayGuard(channel: channel, first: firstCounter)
    }

    /// The plaintext of a received frame whose header was read, or why it is dropped.
    package func open(_ bytes: UnsafeRawBufferPointer, header: SealedHeader) -> Result<[UInt8], DropReason> {
        let counter = bytes.bigEndianInteger(at: SealedHeader.length)
        guard replays.admits(counter) else { return .failure(.replayed) }
        let clear = UnsafeRawBufferPointer(rebasing: bytes[..<SealedHeader.length])
        let sealed = UnsafeRawBufferPointer(rebasing: bytes[(SealedHeader.length + SealedHeader.counterLength)...])
        var reason = DropReason.unknownKey
        for (index, context) in contexts where index == header.keyIndex {
            reason = .forged
            guard
                let plaintext = withDataNonce(counter, { context.open(sealed, authenticating: clear, nonce: $0) })
            else { continue }
            replays.take(counter)
            return .success(plaintext)
        }
        return .failure(reason)
    }
}

/// Data's nonce: 32 zero bits, then the counter, most significant byte first.
private func withDataNonce<Result>(_ counter: UInt64, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    let words: (UInt32, UInt32, UInt32) = (
        0, UInt32(truncatingIfNeeded: counter >> 32).bigEndian, UInt32(truncatingIfNeeded: counter).bigEndian
    )
    return withUnsafeBytes(of: words, body)
}
