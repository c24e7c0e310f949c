import Model
import Runtime
import Testing

@Suite("Addresses")
struct NetworkAddressTests {
    private func address(_ text: String) throws -> NetworkAddress { try #require(NetworkAddress(text)) }

    @Test("lie in blocks by their first bits, whichever way they are written")
    func blocks() throws {
        for (block, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"), ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"), ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("::1", "::1", "::2"), ("::/0", "2001:db8::1", nil), ("10.0.0.0/31", "::ffff:10.0.0.1", "10.0.0.2"),
            ("2001:db8::/64", "2001:db8::ffff:1", "2001:db8:0:1::"),
        ] as [(String, String, String?)] {
            let parsed = try #require(AddressBlock(block))
            #expect(parsed.contains(try address(inside)), "\(block) \(inside)")
            if let outside { #expect(!parsed.contains(try address(outside)), "\(block) \(outside)") }
        }
    }

    @Test("are not names, numbers out of range, or bits that an address does not have")
    func nonsense() {
        for text in ["", "localhost", "10.0.0", "10.0.0.256", "10.0.0.0/33", "10.0.0.0/-1", "::1/129", "10.0.0.0/"] {
            #expect(AddressBlock(text) == nil, "\(text)")
        }
    }
}

@Suite("The pace of upgrades")
struct UpgradePaceTests {
    @Test("lets a burst in, and sends the others away for a time in which each finds its turn")
    func storm() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            var pace = UpgradePace(burst: 100, perSecond: 50, at: .zero)
            // 1,000 clients attach in the same moment; whoever is sent away comes back when it was told to.
            var coming = [(MonotonicTime, Int)](repeating: (.zero, 0), count: 1_000)
            var (admitted, last, tries) = (0, MonotonicTime.zero, 0)
            while let (now, attempts) = coming.popLast() {
                tries = max(tries, attempts + 1)
                if let delay = pace.admit(at: now, random: &random) {
                    #expect(delay > .zero && delay <= UpgradePace.longestDelay + .seconds(1))
                    coming.append((now + delay, attempts + 1))
                    coming.sort { $0.0 > $1.0 }
                } else {
                    admitted += 1
                    last = now
                }
            }
            // 900 at 50 a second take 18 s; chance costs some of them another turn.
            #expect(admitted == 1_000, "seed \(seed)")
            #expect(last >= .zero + .seconds(17) && last < .zero + .seconds(40), "seed \(seed): \(last)")
            #expect(tries <= 8, "seed \(seed): \(tries)")
        }
    }

    @Test("never sends anybody away for longer than the longest delay, however many there are")
    func bound() {
        var random = RandomSource(seed: 1)
        var pace = UpgradePace(burst: 1, perSecond: 1, at: .zero)
        var longest = Duration.zero
        for _ in 0..<10_000 { longest = max(longest, pace.admit(at: .zero, random: &random) ?? .zero) }
        #expect(longest <= UpgradePace.longestDelay + .seconds(1) && longest > .seconds(50))
    }
}
