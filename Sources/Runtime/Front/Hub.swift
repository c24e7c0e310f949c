import Broker

/// The lists of live receivers of one loop: for each topic a contiguous array, walked for every message.
///
/// Confined to its loop. A walk goes over the array as it was when it began: whoever leaves meanwhile is removed from
/// the
/// list and, being closed, takes nothing more.
package struct Hub<Receiver: AnyObject> {
    private var lists: [List?] = []

    private struct List {
        var receivers: ContiguousArray<Receiver> = []
        /// Whose receiver stands at the same index.
        var connections: ContiguousArray<ConnectionID> = []
        var places: [ConnectionID: Int] = [:]
    }

    package init() {}

    /// Adds a receiver, which is not on the list yet.
    package mutating func join(_ list: ListID, _ connection: ConnectionID, _ receiver: Receiver) {
        let index = Int(list.index)
        while lists.count <= index { lists.append(nil) }
        if lists[index] == nil { lists[index] = List() }
        guard lists[index]!.places.updateValue(lists[index]!.receivers.count, forKey: connection) == nil else {
            preconditionFailure("a connection stands on a list once")
        }
        lists[index]!.receivers.append(receiver)
        lists[index]!.connections.append(connection)
    }

    /// Removes a receiver by putting the last one in its place; one that is not there is passed over.
    package mutating func leave(_ list: ListID, _ connection: ConnectionID) {
        let index = Int(list.index)
        guard index < lists.count, let place = lists[index]?.places.removeValue(forKey: connection),
            let last = lists[index]?.connections.last
        else { return }
        if last != connection {
            lists[index]!.receivers.swapAt(place, lists[index]!.receivers.count - 1)
            lists[index]!.connections[place] = last
            lists[index]!.places[last] = place
        }
        lists[index]!.receivers.removeLast()
        lists[index]!.connections.removeLast()
    }

    /// Forgets a list with everybody on it.
    package mutating func drop(_ list: ListID) {
        if Int(list.index) < lists.count { lists[Int(list.index)] = nil }
    }

    /// Everybody on a list now.
    package func receivers(of list: ListID) -> ContiguousArray<Receiver> {
        Int(list.index) < lists.count ? lists[Int(list.index)]?.receivers ?? [] : []
    }
}
