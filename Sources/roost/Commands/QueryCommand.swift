import ArgumentParser
import JSON

/// `roost query`: asks in SQL, with topics as tables.
struct QueryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query", abstract: "Ask in SQL; topics are tables.",
        discussion: "roost query 'SELECT count(*), currency FROM payments GROUP BY currency'")

    @Argument(help: "One SELECT.")
    var sql: String

    @Option(
        name: [.long, .customShort("p")],
        help: "A value of a \"?\", in order; JSON where it is JSON, else a text. May be given several times.")
    var param: [String] = []

    @OptionGroup var client: ClientOptions

    func run() async throws {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("sql")
        writer.string(sql)
        if !param.isEmpty {
            writer.key("params")
            writer.beginArray()
            for text in param {
                if let value = try? JSONView(parsing: Array(text.utf8)) { writer.raw(value.bytes) } else { writer.string(text) }
            }
            writer.endArray()
        }
        writer.endObject()
        let answer = try await RESTClient(client).call(.POST, "/api/v1/query", body: writer.bytes)
        if let error = answer["error"] {
            throw CommandFailure.refused(
                code: error["code"]?.string ?? "QUERY_ERROR", message: error["message"]?.string ?? "")
        }
        let columns = (answer["columns"]?.elements() ?? []).map { $0.string ?? "" }
        let rows = answer["rows"]?.elements() ?? []
        if client.json {
            for row in rows { writeLine(Self.object(columns, row)) }
        } else {
            let texts = rows.map { row in row.elements().map(Self.text) }
            for line in table([columns] + texts) { writeLine(line) }
        }
        if let limit = answer["limit"]?.string {
            throw CommandFailure.refused(code: "LIMIT", message: "\(limit): the rows above are not all")
        }
    }

    private static func object(_ columns: [String], _ row: JSONView) -> ArraySlice<UInt8> {
        var writer = JSONWriter()
        writer.beginObject()
        for (name, value) in zip(columns, row.elements()) {
            writer.key(name)
            writer.raw(value.bytes)
        }
        writer.endObject()
        return writer.bytes[...]
    }

    private static func text(_ value: JSONView) -> String {
        value.isNull ? "" : value.string ?? String(decoding: value.bytes, as: UTF8.self)
    }
}
