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

    @Test("wakes a thread that soon looks by itself for nothing but what cannot wait")
    func rests() {
        let mailbox = DiskMailbox<Int>()
        func look(isResting: Bool) -> [Int] { mailbox.take(until: LinkClock.now(), isResting: isResting) }
        #expect(look(isResting: true) == [])
        #expect(!mailbox.enqueue(1, .sometime) && !mailbox.enqueue(2, .soon) && mailbox.enqueue(3, .now))
        #expect(!mailbox.enqueue(4, .now), "somebody is about to wake it")
        #expect(look(isResting: false) == [1, 2, 3, 4])
        #expect(!mailbox.enqueue(5, .sometime) && mailbox.enqueue(6, .soon) && !mailbox.enqueue(7, .soon))
        #expect(look(isResting: false) == [5, 6, 7])
        #expect(look(isResting: false) == [])
    }

    @Test("does not leave a thread asleep that will not look soon any more")
    func restIsOver() {
        let mailbox = DiskMailbox<Int>()
        #expect(mailbox.take(until: LinkClock.now(), isResting: true) == [])
        // It is awake, and about to sleep for long.
        #expect(!mailbox.enqueue(1, .soon))
        #expect(mailbox.take(until: LinkClock.now() + .seconds(3_600), isResting: false) == [1])
    }
}
