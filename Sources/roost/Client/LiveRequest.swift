import JSON

/// Requests of the `/live` dialect, and the answers to them.
enum LiveRequest {
    /// `{"id","method","attributes"}`.
    static func text(id: Int, _ method: String, _ attributes: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("id")
        writer.integer(Int64(id))
        writer.key("method")
        writer.string(method)
        writer.key("attributes")
        writer.beginObject()
        attributes(&writer)
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    /// What a text from a node is.
    enum Answer {
        case response(id: Int?, data: JSONView?)
        case event(JSONView)
        case cursor(JSONView)
        case gap(JSONView)
        /// A subscription that ended without being asked to.
        case unsubscribed(JSONView)
        case other
    }

    /// Reads a text.
    /// - Throws: the refusal, when it is one.
    static func read(_ text: [UInt8]) throws(CommandFailure) -> Answer {
        let view: JSONView
        do throws(JSONError) {
            view = try JSONView(parsing: text)
        } catch {
            throw .broken("the node sent what is no JSON: \(error)")
        }
        switch view["type"]?.string {
        case "response":
            guard view["ok"]?.bool == true else {
                throw .refused(
                    code: view["code"]?.string ?? "REFUSED", message: view["error"]?.string ?? "refused without words")
            }
            return .response(id: view["id"]?.integer.map(Int.init), data: view["data"])
        case "event": return .event(view)
        case "cursor": return .cursor(view)
        case "gap": return .gap(view)
        case "unsubscribed": return .unsubscribed(view)
        default: return .other
        }
    }
}
