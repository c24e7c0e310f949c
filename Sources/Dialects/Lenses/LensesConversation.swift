import Broker
import JSON
import Model

/// One query in the dialect of Lenses' SQL (its `ws/v2/sql/execute`): a first frame `{sql, live?, stats?}`, then
/// `METADATA`, `RECORD`s, `STATS` or `HEARTBEAT` in between, and `END`, after which the connection is closed.
///
/// Where the document is silent: a connection is for one query, and another frame is refused by an `ERROR`. Before the
/// `SELECT` may stand `SET max.query.time = 10s; SET max.size = 20m; SET max.idle.time = 5s;`, a bare number being
/// milliseconds or bytes; other settings of Lenses' are an `ERROR` that names those that are known. A met threshold is
/// told by `SENTINEL`, whose event is `THRESHOLD_REACHED`. `STATS` come at most every 100 ms, and once more before the
/// end. A result's true and false are 1 and 0 but in a message that `*` shows whole. `BADRECORD` is not said: every
/// message that a door takes is JSON.
package final class LensesConversation: TranslatingDialect {
    /// On silence of so long the client is told that the query lives.
    private static let heartbeat: Duration = .seconds(10)
    /// The shortest interval of `STATS`.
    static let shortestStats: Int64 = 100

    // No event is ever shared here.
    package let encoding = EventEncoding(id: 80) { _ in [] }
    private var hasAsked = false
    private var answer: LensesAnswer?

    package init() {}

    package var authenticatesByMessage: Bool { false }

    package func receive(_ text: [UInt8]) -> [Request] {
        let reference = RequestReference(id: nil, method: "sql")
        guard !hasAsked else {
            let refusal = Refusal.invalidMessage("this connection has its query already: open another one")
            return [Request(reference: RequestReference(id: nil, method: "again"), command: .refuse(refusal))]
        }
        hasAsked = true
        do throws(Refusal) {
            let (query, stats) = try Self.query(text)
            answer = LensesAnswer(query: query, tellsStats: stats)
            return [Request(reference: reference, command: .query(query))]
        } catch {
            return [Request(reference: reference, command: .refuse(error))]
        }
    }

    package func encode(_ reply: Reply, to reference: RequestReference) -> [[UInt8]] {
        switch reply {
        case .rows(let chunk): answer?.texts(chunk) ?? []
        case .refused(let refusal):
            reference.method == "again"
                ? [LensesAnswer.error(refusal)] : [LensesAnswer.error(refusal), LensesAnswer.end]
        default: []
        }
    }

    package func encode(_ notice: Notice) -> [UInt8]? {
        switch notice {
        case .refused(let refusal): LensesAnswer.error(refusal)
        default: nil
        }
    }

    package func ends(after reply: Reply, to reference: RequestReference) -> Bool {
        reply.isLast && reference.method != "again"
    }

    private static func query(_ text: [UInt8]) throws(Refusal) -> (Query, stats: Bool) {
        let view: JSONView
        let fields: [JSONView?]
        do throws(JSONError) {
            view = try JSONView(parsing: text)
            fields = try view.fields(["sql", "live", "stats"])
        } catch {
            throw .invalidMessage("the first message must be an object with \"sql\": \(error)")
        }
        guard let sql = fields[0]?.string else {
            throw .invalidMessage("\"sql\" is missing or no string; it must be one SELECT")
        }
        var query = Query(sql: sql, columns: .messages)
        if let live = fields[1], !live.isNull {
            guard let isLive = live.bool else { throw .invalidMessage("\"live\" must be true or false") }
            query.isLive = isLive
        }
        query.pulse = heartbeat
        var tellsStats = false
        if let stats = fields[2], !stats.isNull {
            guard let interval = stats.integer, interval > 0, interval <= 86_400_000 else {
                throw .invalidMessage("\"stats\" must be milliseconds from 1 to 86400000")
            }
            query.pulse = .milliseconds(max(interval, shortestStats))
            tellsStats = true
        }
        (query.sql, query.limits) = try LensesSettings.split(sql)
        return (query, tellsStats)
    }
}
