import Glibc
import Runtime
import Synchronization
import Testing

@Suite(
    "One call for many sockets",
    .enabled(if: SendRing() != nil, "io_uring cannot be had here, so the loop of send(2) is all there is"))
struct SendRingTests {
    /// Connected pairs of sockets, of which one side does not wait.
    private final class Pairs {
        let near: [CInt]
        let far: [CInt]

        init(_ count: Int) throws {
            var (near, far): ([CInt], [CInt]) = ([], [])
            for _ in 0..<count {
                var pair: [CInt] = [-1, -1]
                try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
                _ = fcntl(pair[0], F_SETFL, O_NONBLOCK)
                _ = fcntl(pair[1], F_SETFL, O_NONBLOCK)
                near.append(pair[0])
                far.append(pair[1])
            }
            (self.near, self.far) = (near, far)
        }

        deinit {
            for descriptor in near + far where descriptor >= 0 { close(descriptor) }
        }

        /// What has come to the far side of a pair.
        func take(_ index: Int) -> [UInt8] {
            var (taken, piece): ([UInt8], [UInt8]) = ([], Array(repeating: 0, count: 65_536))
            while case let count = read(far[index], &piece, piece.count), count > 0 { taken += piece[..<count] }
            return taken
        }
    }

    /// Sends to sockets, as many at once as there may be, and gives what became of each by its index.
    private func send(_ bytes: [UInt8], to descriptors: [CInt], by ring: SendRing) -> [Int: DirectSendOutcome] {
        var outcomes: [Int: DirectSendOutcome] = [:]
        bytes.withUnsafeBytes { bytes in
            for (index, descriptor) in descriptors.enumerated() {
                ring.order(descriptor, tag: index)
                if ring.isFull || index == descriptors.count - 1 {
                    ring.send(bytes) { #expect(outcomes.updateValue($1, forKey: $0) == nil) }
                }
            }
        }
        return outcomes
    }

    @Test("gives each the bytes, whether it has fewer sockets than one call takes or more")
    func all() throws {
        let ring = try #require(SendRing())
        for count in [1, 2, SendRing.capacity, 2 * SendRing.capacity + 3] {
            let pairs = try Pairs(count)
            let bytes = (0..<365).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ count) }
            let outcomes = send(bytes, to: pairs.near, by: ring)
            #expect(outcomes.count == count && outcomes.values.allSatisfy { $0 == .taken(bytes.count) })
            for index in 0..<count { #expect(pairs.take(index) == bytes) }
        }
    }

    @Test("gives everybody else the bytes once when a socket in between is none")
    func badDescriptor() throws {
        let ring = try #require(SendRing())
        let pairs = try Pairs(9)
        var descriptors = pairs.near
        // A number that no descriptor has.
        descriptors.insert(1_000_000_000, at: 4)
        let outcomes = send([1, 2, 3], to: descriptors, by: ring)
        #expect(outcomes.count == 10 && outcomes[4] == .broken)
        for index in 0..<9 { #expect(pairs.take(index) == [1, 2, 3]) }
    }

    @Test("sends to each by itself where the kernel refuses the call, and goes on")
    func refused() async throws {
        let ring = try #require(SendRing())
        let pairs = try Pairs(5)
        // With what newer kernels offer, a ring is for the thread that made it and no other.
        let box = Unguarded(ring)
        let outcomes = Mutex<[[Int: DirectSendOutcome]]>([])
        let near = pairs.near
        let thread = LinkThread(name: "other") {
            for byte in [1, 2] as [UInt8] {
                let each = self.send([byte], to: near, by: box.ring)
                outcomes.withLock { $0.append(each) }
            }
        }
        thread.join()
        #expect(outcomes.withLock { $0.allSatisfy { $0.count == 5 && $0.values.allSatisfy { $0 == .taken(1) } } })
        for index in 0..<5 { #expect(pairs.take(index) == [1, 2]) }
    }

    /// Lets a test break the rule that a ring stays on its thread.
    private struct Unguarded: @unchecked Sendable {
        let ring: SendRing

        init(_ ring: SendRing) { self.ring = ring }
    }

    @Test("says of each by itself how much it took, and whether it is broken")
    func outcomes() throws {
        let ring = try #require(SendRing())
        let pairs = try Pairs(4)
        // The second has room for a part, the third for nothing, and behind the fourth is nobody.
        var filler = Array(repeating: UInt8(1), count: 4_096)
        var filled = 0
        while case let count = write(pairs.near[2], &filler, filler.count), count > 0 { filled += count }
        #expect(shutdown(pairs.far[3], Int32(SHUT_RDWR)) == 0)
        let bytes = (0..<4 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let outcomes = send(bytes, to: pairs.near, by: ring)
        guard case .taken(let first)? = outcomes[0], case .taken(let second)? = outcomes[1] else {
            Issue.record("\(outcomes)")
            return
        }
        #expect(first > 0 && first < bytes.count && second > 0 && second < bytes.count)
        #expect(outcomes[2] == .taken(0) && outcomes[3] == .broken)
        #expect(pairs.take(0) == Array(bytes[..<first]) && pairs.take(1) == Array(bytes[..<second]))
        #expect(pairs.take(2).count == filled)
        // What came to nothing is not tried again by a later call.
        #expect(send([7], to: [pairs.near[0]], by: ring) == [0: .taken(1)])
        #expect(pairs.take(0) == [7] && pairs.take(1).isEmpty && pairs.take(2).isEmpty)
    }
}
