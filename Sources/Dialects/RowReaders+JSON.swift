import Broker
import JSON
import Model

extension RowDraft.Readers {
    /// What `readers` of a publish says: `{"users": […], "groups": […]}`, `null` for all who may read the table; missing,
    /// the row keeps its readers.
    package init(_ view: JSONView?) throws(Refusal) {
        guard let view else {
            self = .kept
            return
        }
        guard !view.isNull else {
            self = .changed(nil)
            return
        }
        guard view.kind == .object, view.members().allSatisfy({ $0.key == "users" || $0.key == "groups" }) else {
            throw Self.wrong
        }
        let (users, groups) = (try Self.names(view["users"]), try Self.names(view["groups"]))
        guard users.count + groups.count <= RowReaders.limit else {
            throw .invalidMessage(
                "\"readers\" names \(users.count + groups.count) users and groups; a row has at most \(RowReaders.limit)")
        }
        let readers = RowReaders(users: users, groups: groups)
        guard readers.byteCount <= RowReaders.byteLimit else {
            throw .invalidMessage(
                "the names in \"readers\" have \(readers.byteCount) bytes together; a row has at most \(RowReaders.byteLimit)")
        }
        self = .changed(readers)
    }

    private static func names(_ view: JSONView?) throws(Refusal) -> [String] {
        guard let view else { return [] }
        guard view.kind == .array else { throw wrong }
        var names: [String] = []
        for element in view.elements() {
            guard let name = element.string, !name.isEmpty, name.utf8.count <= 255 else { throw wrong }
            names.append(name)
        }
        return names
    }

    private static let wrong = Refusal.invalidMessage(
        "\"readers\" must be {\"users\": [\"ann\"], \"groups\": [\"staff\"]}, either of them, or null for all who may read "
            + "the table")
}
