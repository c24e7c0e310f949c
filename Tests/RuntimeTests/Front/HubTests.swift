import Broker
import Model
import Runtime
import Testing

@Suite("A hub")
struct HubTests {
    private func connection(_ number: Int) -> ConnectionID { ConnectionID(index: UInt32(number), generation: 1) }

    private func members(_ hub: Hub, _ list: ListID) -> [Int: WireForm.Index] {
        guard let members = hub.members(of: list) else { return [:] }
        #expect(members.connections.count == members.forms.count)
        return Dictionary(uniqueKeysWithValues: zip(members.connections.map { Int($0.index) }, members.forms))
    }

    @Test(
        "keeps connections and their forms in step over random joins and leaves",
        arguments: 1...20 as ClosedRange<UInt64>)
    func inStep(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var hub = Hub()
        var model: [ListID: [Int: WireForm.Index]] = [:]
        for _ in 0..<2_000 {
            let list = ListID(index: UInt32.random(in: 0..<4, using: &random))
            let number = Int.random(in: 0..<40, using: &random)
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                hub.drop(list)
                model[list] = nil
            case 1..<10 where model[list]?[number] == nil:
                let form = WireForm.Index.random(in: 0..<3, using: &random)
                hub.join(list, connection(number), form)
                model[list, default: [:]][number] = form
            default:
                hub.leave(list, connection(number))
                model[list]?[number] = nil
            }
            let expected = model[list] ?? [:]
            #expect(members(hub, list) == expected, "seed \(seed)")
            #expect(
                Set(hub.members(of: list).map { Array($0.formsTaken) } ?? []) == Set(expected.values), "seed \(seed)")
        }
    }

    @Test("walks the members that were there when the walk began")
    func walk() {
        var hub = Hub()
        let list = ListID(index: 3)
        for number in 0..<5 { hub.join(list, connection(number), 0) }
        var walked: [UInt32] = []
        for connection in hub.members(of: list)?.connections ?? [] {
            walked.append(connection.index)
            // Leaving moves the last one into the gap, which must neither be skipped nor met twice.
            hub.leave(list, connection)
        }
        #expect(walked == [0, 1, 2, 3, 4])
        #expect(hub.members(of: list) == nil || members(hub, list).isEmpty)
    }

    @Test("knows a connection by its generation too")
    func generations() {
        var hub = Hub()
        let list = ListID(index: 0)
        hub.join(list, ConnectionID(index: 1, generation: 2), 0)
        hub.leave(list, ConnectionID(index: 1, generation: 1))
        #expect(members(hub, list) == [1: 0])
        #expect(hub.members(of: list)?.contains(ConnectionID(index: 1, generation: 1)) == false)
    }
}
