import Model
import Runtime
import Testing

@Suite("Key derivation")
struct KeyDerivationTests {
    @Test("gives RFC 5869's first test vector")
    func knownVector() {
        let derived = hkdfSHA256(
            key: [UInt8](repeating: 0x0B, count: 22), salt: hexBytes("000102030405060708090a0b0c"),
            info: hexBytes("f0f1f2f3f4f5f6f7f8f9"), count: 42)
        #expect(
            derived
                == hexBytes(
                    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"))
    }

    @Test("gives RFC 5869's third test vector, without salt and context")
    func emptySaltVector() {
        let derived = hkdfSHA256(key: [UInt8](repeating: 0x0B, count: 22), salt: [], info: [], count: 42)
        #expect(
            derived
                == hexBytes(
                    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"))
    }

    @Test("gives every direction, boot, channel, cluster and use a key of its own")
    func separation() {
        let key = LinkSample.keys.active
        let first = LinkEnd(node: NodeID(rawValue: 1), boot: Boot(high: 1, low: 1))
        let second = LinkEnd(node: NodeID(rawValue: 2), boot: Boot(high: 2, low: 2))
        let restarted = LinkEnd(node: second.node, boot: Boot(high: 2, low: 3))
        var derived: [[UInt8]] = []
        for (cluster, channel) in [("a", LinkChannel.bus), ("a", .gossip), ("b", .bus)] {
            let schedule = KeySchedule(cluster: cluster, channel: channel)
            derived.append(schedule.helloKey(key))
            for (sender, receiver) in [(first, second), (second, first), (first, restarted), (restarted, first)] {
                derived.append(schedule.dataKey(key, from: sender, to: receiver))
            }
        }
        #expect(Set(derived).count == 15)
        #expect(derived.allSatisfy { $0.count == 32 })
    }
}

@Suite("A sealing context")
struct SealingContextTests {
    /// Test case 16 of McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", as submitted to NIST.
    private let key = hexBytes("feffe9928665731c6d6a8f9467308308 feffe9928665731c6d6a8f9467308308")
    private let nonce = hexBytes("cafebabefacedbaddecaf888")
    private let header = hexBytes("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    private let plaintext = hexBytes(
        """
        d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
        1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39
        """)
    private let sealed = hexBytes(
        """
        522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
        8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662
        76fc6ece0f4e1768cddf8853bb2d551b
        """)

    @Test("gives the known vector, again and again from one context")
    func knownVector() {
        let context = SealingContext(key: key)
        for _ in 0..<3 { #expect(seal(plaintext, header, nonce, with: context) == sealed) }
    }

    @Test("gives the known vector of zeros without a header")
    func zeros() {
        let context = SealingContext(key: [UInt8](repeating: 0, count: 32))
        let nonce = [UInt8](repeating: 0, count: 12)
        #expect(
            seal([UInt8](repeating: 0, count: 16), [], nonce, with: context)
                == hexBytes("cea7403d4d606b6e074ec5d3baf39d18 d0d1c8a799996bf0265b98b5d48ab919"))
        #expect(seal([], [], nonce, with: context) == hexBytes("530f8afbc74536b9a963b4f1c4cb738b"))
    }

    @Test("opens what was sealed, and nothing that differs in one bit")
    func opening() {
        let context = OpeningContext(key: key)
        #expect(open(sealed, header, nonce, with: context) == plaintext)
        for bit in 0..<sealed.count * 8 {
            #expect(open(flipping(sealed, bit: bit), header, nonce, with: context) == nil)
        }
        for bit in 0..<header.count * 8 {
            #expect(open(sealed, flipping(header, bit: bit), nonce, with: context) == nil)
        }
        for bit in 0..<nonce.count * 8 {
            #expect(open(sealed, header, flipping(nonce, bit: bit), with: context) == nil)
        }
        for count in 0..<sealed.count { #expect(open(Array(sealed[..<count]), header, nonce, with: context) == nil) }
        #expect(open(sealed, header, nonce, with: context) == plaintext, "a refusal leaves the context usable")
    }

    private func seal(_ text: [UInt8], _ header: [UInt8], _ nonce: [UInt8], with context: SealingContext) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: text.count + SealingSize.tag)
        text.withUnsafeBytes { text in
            header.withUnsafeBytes { header in
                nonce.withUnsafeBytes { nonce in
                    output.withUnsafeMutableBytes { context.seal(text, authenticating: header, nonce: nonce, into: $0) }
                }
            }
        }
        return output
    }

    private func open(_ sealed: [UInt8], _ header: [UInt8], _ nonce: [UInt8], with context: OpeningContext) -> [UInt8]?
    {
        sealed.withUnsafeBytes { sealed in
            header.withUnsafeBytes { header in
                nonce.withUnsafeBytes { context.open(sealed, authenticating: header, nonce: $0) }
            }
        }
    }
}

@Suite("A cluster key ring")
struct ClusterKeyRingTests {
    private let ones = [UInt8](repeating: 1, count: 32)
    private let zeros = String(repeating: "00", count: 32)

    @Test("reads hexadecimal and base64 lines, the first being active")
    func parsing() throws {
        let text =
            "# our keys\n\n  \(String(repeating: "01", count: 32)) \r\n" + String(repeating: "A", count: 43) + "=\n"
        let ring = try ClusterKeyRing(parsing: text)
        #expect(ring.keys.map(\.bytes) == [ones, [UInt8](repeating: 0, count: 32)])
        #expect(ring.active.bytes == ones)
        #expect(ring.active.index == LinkSample.keys.active.index, "the index belongs to the key, not to its place")
        #expect(try ClusterKeyRing(parsing: ring.fileText).keys == ring.keys)
    }

    @Test("says what is wrong with a file")
    func refusals() {
        expect("", .empty)
        expect("# nothing\n", .empty)
        expect("not a key!", .malformed(line: 1))
        expect("\(zeros)\n\(zeros)", .repeated(key: 2))
        expect("\(zeros)00", .wrongLength(key: 1, bytes: 33))
        expect("AAAA", .wrongLength(key: 1, bytes: 2))
        expect("AAA/", .wrongLength(key: 1, bytes: 3))
        expect((1...4).map { String(repeating: "0\($0)", count: 32) }.joined(separator: "\n"), .tooMany)
        expect(String(repeating: "A", count: 42) + "B=", .malformed(line: 1))
    }

    @Test("draws a fresh key each time and never shows it")
    func random() {
        let first = ClusterKeyRing.random()
        #expect(first.active.bytes != ClusterKeyRing.random().active.bytes)
        #expect("\(first) \(first.active)" == "a ring of 1 cluster keys a cluster key")
    }

    private func expect(_ text: String, _ error: ClusterKeyError, location: SourceLocation = #_sourceLocation) {
        #expect(throws: error, sourceLocation: location) { try ClusterKeyRing(parsing: text) }
    }
}
