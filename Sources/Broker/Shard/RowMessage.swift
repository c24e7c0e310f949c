import JSON
import Model

/// A publish to a table, read as a row: which one, and its value.
///
/// The key is the publish's own, or the `id` of the message. A message in Daptin's shape, `{"type", "id", "attributes"}`, has
/// its value in `attributes`; any other is the value itself, and `null` ends the row.
struct RowMessage {
    let key: String
    let payload: [UInt8]

    init(_ publish: Command.Publish) throws(Refusal) {
        guard publish.event == "new-message" else {
            throw .invalidMessage(
                "topic \"\(publish.topic)\" is a table, which itself calls its events create, update and delete: leave "
                    + "\"event\" out")
        }
        guard publish.timeToLive == nil else {
            throw .invalidMessage("topic \"\(publish.topic)\" is a table, whose rows do not expire: leave \"ttl\" out")
        }
        let view: JSONView
        do throws(JSONError) { view = try JSONView(parsing: publish.payload, depthLimit: 512) } catch {
            throw .invalidMessage("the message is no JSON value: \(error.description)")
        }
        let isObject = view.kind == .object
        let id = isObject ? view["id"].flatMap(Self.identifier) : nil
        // A database's row is its columns, whatever they are called.
        let isWrapped = !publish.isFromDatabase && isObject && id != nil && view["attributes"] != nil && view.members().allSatisfy {
            $0.key == "type" || $0.key == "id" || $0.key == "attributes"
        }
        guard let key = publish.key ?? id else {
            throw .invalidMessage(
                "topic \"\(publish.topic)\" is a table: give the row's \"key\", or an \"id\" in the message, a string or a "
                    + "whole number")
        }
        guard !key.isEmpty else { throw .invalidMessage("the row's \"key\" is empty") }
        if isWrapped, let id, id != key {
            throw .invalidMessage("the row's \"key\" is \"\(key.prefix(64))\", and the message's \"id\" another")
        }
        self.key = key
        payload = isWrapped ? view["attributes"].map { Array($0.bytes) } ?? publish.payload : publish.payload
    }

    private static func identifier(_ view: JSONView) -> String? { view.string ?? view.integer.map(String.init) }
}
