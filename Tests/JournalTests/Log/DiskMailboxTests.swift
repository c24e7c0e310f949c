import Model
import Runtime
import Testing

@Suite("A thread's mailbox", .timeLimit(.minutes(1)))
struct DiskMailboxTests {
    @Test(
        "wakes its thread for what is put down, though whoever was there before has yet to do so",
        arguments: [DiskMailbox<Int>.Urgency.now, .sooner])
    func wakes(urgency: DiskMailbox<Int>.Urgency) {
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
            _ = mailbox.enqueue(2 * round, .soon)
            mailbox.put(2 * round + 1, urgency)
            while came.count < 2 * round + 2, LinkClock.now() < deadline { came += taken.take(until: deadline) }
        }
        #expect(came == Array(0..<2 * rounds))
        mailbox.wake()
        thread.join()
    }

    @Test("wakes a thread that soon looks by itself for nothing but what cannot wait")
    func rests() {
        let mailbox = DiskMailbox<Int>()
        func look(_ spared: DiskMailbox<Int>.Urgency) -> [Int] { mailbox.take(until: LinkClock.now(), sparing: spared) }
        #expect(look(.soon) == [])
        #expect(!mailbox.enqueue(1, .sometime) && !mailbox.enqueue(2, .soon) && mailbox.enqueue(3, .now))
        #expect(!mailbox.enqueue(4, .now), "somebody is about to wake it")
        #expect(look(.sometime) == [1, 2, 3, 4])
        #expect(!mailbox.enqueue(5, .sometime) && mailbox.enqueue(6, .soon) && !mailbox.enqueue(7, .soon))
        #expect(look(.soon) == [5, 6, 7])
        #expect(!mailbox.enqueue(8, .soon) && mailbox.enqueue(9, .sooner))
        #expect(look(.sooner) == [8, 9])
        #expect(!mailbox.enqueue(10, .soon) && !mailbox.enqueue(11, .sooner) && mailbox.enqueue(12, .now))
        #expect(look(.sometime) == [10, 11, 12])
        #expect(look(.sometime) == [])
    }

    @Test("does not leave a thread asleep that will not look soon any more")
    func restIsOver() {
        let mailbox = DiskMailbox<Int>()
        #expect(mailbox.take(until: LinkClock.now(), sparing: .sooner) == [])
        // It is awake, and about to sleep for long.
        #expect(!mailbox.enqueue(1, .soon))
        #expect(mailbox.take(until: LinkClock.now() + .seconds(3_600)) == [1])
        #expect(mailbox.take(until: LinkClock.now(), sparing: .sooner) == [])
        #expect(!mailbox.enqueue(2, .sooner))
        #expect(mailbox.take(until: LinkClock.now() + .seconds(3_600), sparing: .soon) == [2])
    }
}
