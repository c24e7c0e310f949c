import Model

/// Seals our hellos under the active key; owned by one thread.
package final class HelloSealer {
    private let context: SealingContext
    private let header: [UInt8]
    private let random: LinkRandom

    package init(identity: LinkIdentity, channel: LinkChannel, keys: ClusterKeyRing, random: @escaping LinkRandom) {
        let schedule = KeySchedule(cluster: identity.cluster, channel: channel)
        context = SealingContext(key: schedule.helloKey(keys.active))
        header = SealedHeader(kind: .hello, keyIndex: keys.active.index, boot: identity.boot).bytes
        self.random = random
    }

    /// Writes a sealed hello to `destination`, which is of its length, under a random nonce of 96 bits.
    package func seal(_ hello: LinkHello, into destination: UnsafeMutableRawBufferPointer) {
        precondition(destination.count == LinkHello.sealedLength, "a hello has one length")
        destination.copyBytes(from: header)
        let nonce = UnsafeMutableRawBufferPointer(
            rebasing: destination[SealedHeader.length...].prefix(SealingSize.nonce))
        nonce.storeBytes(of: random(), as: UInt64.self)
        nonce.storeBytes(of: UInt32(truncatingIfNeeded: random()), toByteOffset: 8, as: UInt32.self)
        hello.bytes.withUnsafeBytes { plaintext in
            context.seal(
                plaintext, authenticating: UnsafeRawBufferPointer(rebasing: destination[..<SealedHeader.length]),
                nonce: UnsafeRawBufferPointer(nonce),
                into: .init(rebasing: destination[(SealedHeader.length + SealingSize.nonce)...]))
        }
    }

    /// A sealed hello as bytes of its own.
    package func seal(_ hello: LinkHello) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: LinkHello.sealedLength) { buffer, initialized in
            seal(
                hello,
                into: UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(buffer)[..<LinkHello.sealedLength]))
            initialized = LinkHello.sealedLength
        }
    }
}

/// Opens hellos under any key of the ring; owned by one thread.
package final class HelloOpener {
    private let contexts: [(index: UInt8, context: OpeningContext)]

    package init(identity: LinkIdentity, channel: LinkChannel, keys: ClusterKeyRing) {
        let schedule = KeySchedule(cluster: identity.cluster, channel: channel)
        contexts = keys.keys.map { ($0.index, OpeningContext(key: schedule.helloKey($0))) }
    }

    /// The hello in received bytes whose header was read, or why there is none.
    package func open(_ bytes: UnsafeRawBufferPointer, header: SealedHeader) -> Result<LinkHello, DropReason> {
        guard bytes.count == LinkHello.sealedLength else { return .failure(.truncated) }
        let clear = UnsafeRawBufferPointer(rebasing: bytes[..<SealedHeader.length])
        let nonce = UnsafeRawBufferPointer(rebasing: bytes[SealedHeader.length...].prefix(SealingSize.nonce))
        let sealed = UnsafeRawBufferPointer(rebasing: bytes[(SealedHeader.length + SealingSize.nonce)...])
        var reason = DropReason.unknownKey
        for (index, context) in contexts where index == header.keyIndex {
            reason = .wrongCluster
            guard let plaintext = context.open(sealed, authenticating: clear, nonce: nonce) else { continue }
            return read(plaintext, header: header)
        }
        return .failure(reason)
    }

    private func read(_ plaintext: [UInt8], header: SealedHeader) -> Result<LinkHello, DropReason> {
        do throws(FormatError) {
            let hello = try LinkHello(reading: plaintext)
            return hello.sender.boot == header.boot ? .success(hello) : .failure(.malformed)
        } catch {
            if case .unknownVersion = error { return .failure(.unknownVersion) }
            return .failure(.malformed)
        }
    }
}
