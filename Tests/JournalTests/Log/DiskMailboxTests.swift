import Model
import Runtime
import Testing

@Suite("A thread's mailbox", .timeLimit(.minutes(1)))
struct DiskMailboxTests {
    @Test("wakes its thread for what is put down, though whoever was there before has yet to do so")
    func wakes() {
        let (mailbox, taken) = (DiskMailbox<Int>(), DiskMailbox<Int>())
        let rounds = 200
        let thread = LinkThread(name: "taker") {
            var count = 0
            while count < 2 * rounds {
                for element in mailbox.take(until: .distantFuture) {
                    count += 1
                    taken.put(element)
                }
            }
        }
        let deadline = LinkClock.now() + .seconds(30)
        var came: [Int] = []
        for round in 0..<rounds {
            // Where this one says that the thread must be woken, somebody else is about to do it.
            _ = mailbox.enqueue(2 * round)
            mailbox.put(2 * round + 1)
            while came.count < 2 * round + 2, LinkClock.now() < deadline { came += taken.take(until: deadline) }
        }
        #expect(came == Array(0..<2 * rounds))
        mailbox.wake()
        thread.join()
    }
}
