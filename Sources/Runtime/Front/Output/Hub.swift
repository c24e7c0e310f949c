import Broker

/// The lists of live receivers of one loop: for each topic a contiguous array, walked for every message, with a parallel
/// array of the wire forms in which its members take events.
///
/// Confined to its loop. A walk goes over the arrays as they were when it began.
package struct Hub {
    private var lists: [List?] = []

    /// Everybody on a list, and what they take, at the same index.
    package struct List {
        package fileprivate(set) var connections: ContiguousArray<ConnectionID> = []
        package fileprivate(set) var forms: ContiguousArray<WireForm.Index> = []
        /// Which forms somebody on the list takes, with how many.
        fileprivate var counts: [(form: WireForm.Index, count: Int)] = []
        /// Where the connection of an index stands.
        fileprivate var places: [UInt32: UInt32] = [:]

        /// The forms that somebody on the list takes.
        package var formsTaken: some Sequence<WireForm.Index> { counts.lazy.map(\.form) }

        /// Whether somebody on the list takes a form.
        package func takes(_ form: WireForm.Index) -> Bool { counts.contains { $0.form == form } }

        package func contains(_ connection: ConnectionID) -> Bool { place(of: connection) != nil }

        fileprivate func place(of connection: ConnectionID) -> Int? {
            guard let place = places[connection.index], connections[Int(place)] == connection else { return nil }
            return Int(place)
        }

        fileprivate mutating func count(_ form: WireForm.Index, _ change: Int) {
            guard let index = counts.firstIndex(where: { $0.form == form }) else {
                return counts.append((form, change))
            }
            counts[index].count += change
            if counts[index].count == 0 { counts.remove(at: index) }
        }
    }

    package init() {}

    /// Adds a connection, which is not on the list yet.
    package mutating func join(_ list: ListID, _ connection: ConnectionID, _ form: WireForm.Index) {
        let index = Int(list.index)
        while lists.count <= index { lists.append(nil) }
        if lists[index] == nil { lists[index] = List() }
        let place = UInt32(lists[index]!.connections.count)
        guard lists[index]!.places.updateValue(place, forKey: connection.index) == nil else {
            preconditionFailure("a connection stands on a list once")
        }
        lists[index]!.connections.append(connection)
        lists[index]!.forms.append(form)
        lists[index]!.count(form, 1)
    }

    /// Removes a connection by putting the last one in its place; one that is not there is passed over.
    package mutating func leave(_ list: ListID, _ connection: ConnectionID) {
        let index = Int(list.index)
        guard index < lists.count, let place = lists[index]?.place(of: connection) else { return }
        lists[index]!.places[connection.index] = nil
        lists[index]!.count(lists[index]!.forms[place], -1)
        let last = lists[index]!.connections.removeLast()
        let form = lists[index]!.forms.removeLast()
        guard last != connection else { return }
        lists[index]!.connections[place] = last
        lists[index]!.forms[place] = form
        lists[index]!.places[last.index] = UInt32(place)
    }

    /// Forgets a list with everybody on it.
    package mutating func drop(_ list: ListID) {
        if Int(list.index) < lists.count { lists[Int(list.index)] = nil }
    }

    /// A list as it is now; nil while nobody is on it.
    package func members(of list: ListID) -> List? {
        guard Int(list.index) < lists.count, let list = lists[Int(list.index)], !list.connections.isEmpty else {
            return nil
        }
        return list
    }
}
