import Broker
import Model
import Runtime
import Testing

@Suite("A hub")
struct HubTests {
    private final class Receiver {
        let number: Int
        init(_ number: Int) { self.number = number }
    }

    private func connection(_ number: Int) -> ConnectionID { ConnectionID(index: UInt32(number), generation: 1) }

    private func numbers(_ hub: Hub<Receiver>, _ list: ListID) -> [Int] {
        hub.receivers(of: list).map(\.number).sorted()
    }

    @Test(
        "keeps receivers and their connections in step over random joins and leaves",
        arguments: 1...20 as ClosedRange<UInt64>)
    func inStep(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var hub = Hub<Receiver>()
        var model: [ListID: Set<Int>] = [:]
        for _ in 0..<2_000 {
            let list = ListID(index: UInt32.random(in: 0..<4, using: &random))
            let number = Int.random(in: 0..<40, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                hub.drop(list)
                model[list] = nil
            case 1..<10 where model[list]?.contains(number) != true:
                hub.join(list, connection(number), Receiver(number))
                model[list, default: []].insert(number)
            default:
                hub.leave(list, connection(number))
                model[list]?.remove(number)
            }
            #expect(numbers(hub, list) == (model[list] ?? []).sorted(), "seed \(seed)")
        }
    }

    @Test("walks the receivers that were there when the walk began")
    func walk() {
        var hub = Hub<Receiver>()
        let list = ListID(index: 3)
        for number in 0..<5 { hub.join(list, connection(number), Receiver(number)) }
        var walked: [Int] = []
        for receiver in hub.receivers(of: list) {
            walked.append(receiver.number)
            // Leaving moves the last one into the gap, which must neither be skipped nor met twice.
            hub.leave(list, connection(receiver.number))
        }
        #expect(walked == [0, 1, 2, 3, 4])
        #expect(hub.receivers(of: list).isEmpty)
    }

    @Test("knows a connection by its generation too")
    func generations() {
        var hub = Hub<Receiver>()
        let list = ListID(index: 0)
        hub.join(list, ConnectionID(index: 1, generation: 2), Receiver(2))
        hub.leave(list, ConnectionID(index: 1, generation: 1))
        #expect(numbers(hub, list) == [2])
    }
}
