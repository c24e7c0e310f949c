import Broker
import Model
import Testing

@Suite("A statement of SQL")
struct SQLStatementTests {
    /// The tables as `name alias`, and the references as `path@table,table`.
    private func names(_ sql: String) throws -> (tables: [String], references: [String]) {
        let statement = try SQLStatement(sql)
        return (
            statement.tables.map { [$0.name, $0.alias].compactMap { $0 }.joined(separator: " ") },
            statement.references.map { "\($0.path)@\($0.tables.map { "\($0)" }.joined(separator: ","))" }
        )
    }

    @Test("finds tables with their aliases and fields with their paths")
    func finding() throws {
        let found = try names(
            "SELECT p.amount, Position.Latitude AS lat, count(*) n FROM payments AS p JOIN \"chat/1\" c ON c.id = p.chat.id")
        #expect(found.tables == ["payments p", "chat/1 c"])
        #expect(found.references == ["amount@0", "Position.Latitude@0,1", "id@1", "chat.id@0"])
    }

    @Test(
        "puts dotted paths in quotes and leaves everything else as it is",
        arguments: [
            ("SELECT Position.Latitude FROM t", "SELECT \"Position.Latitude\" FROM t"),
            ("SELECT v.Position.Latitude FROM t v;", "SELECT \"v\".\"Position.Latitude\" FROM t v"),
            ("SELECT _key.MMSI FROM a.b WHERE a.b.x.y = 'a.b' -- a.b", "SELECT \"_key.MMSI\" FROM \"a.b\" WHERE \"a.b\".\"x.y\" = 'a.b' -- a.b"),
            ("SELECT t.* , 1.5, .5, x.order FROM t", "SELECT t.* , 1.5, .5, \"x.order\" FROM t"),
            ("SELECT e.value FROM t, json_each(t.tags) e", "SELECT \"e\".\"value\" FROM t, json_each(\"t\".\"tags\") e"),
            ("SELECT json_each.value FROM t, json_each(tags)", "SELECT \"json_each\".\"value\" FROM t, json_each(tags)"),
            ("WITH c AS (SELECT a.b FROM t) SELECT c.a FROM c", "WITH c AS (SELECT \"a.b\" FROM t) SELECT \"c\".\"a\" FROM c"),
        ])
    func quoting(sql: String, expected: String) throws {
        #expect(try SQLStatement(sql).text() == expected)
    }

    @Test("takes no name of WITH, of a subquery or of a table function for a topic")
    func noTopics() throws {
        let found = try names(
            """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5),
              big AS MATERIALIZED (SELECT id FROM orders WHERE total > 3)
            SELECT * FROM n, big b, (SELECT x FROM users) AS u, json_each('[1]') j WHERE EXISTS (SELECT 1 FROM log)
            """)
        #expect(found.tables == ["orders", "users", "log"])
    }

    @Test("takes an alias of a column for no field where groups and orders name it")
    func aliases() throws {
        let grouped = try names("SELECT substr(name, 1, 1) AS letter, count(*) c FROM t GROUP BY letter ORDER BY c DESC")
        #expect(grouped.references == ["name@0"])
        let same = try names("SELECT upper(name) AS name FROM t GROUP BY name")
        #expect(same.references == ["name@0"])
        let outer = try names("SELECT n FROM (SELECT currency AS n FROM t GROUP BY n)")
        #expect(outer.references == ["currency@0"])
    }

    @Test("gives a field of a subquery to its own tables and to those around it")
    func correlation() throws {
        let found = try names("SELECT a FROM t WHERE EXISTS (SELECT b FROM u WHERE u.id = t.id)")
        #expect(found.references == ["a@0", "b@0,1", "id@1", "id@0"])
    }

    @Test("knows words that are keywords only in their place")
    func keywords() throws {
        let found = try names("SELECT offset, partition, filter FROM t WHERE a IS DISTINCT FROM b LIMIT 3 OFFSET 2")
        #expect(found.references == ["offset@0", "partition@0", "filter@0", "a@0", "b@0"])
        #expect(try names("SELECT CAST(a AS INTEGER), b COLLATE NOCASE FROM t").references == ["a@0", "b@0"])
        #expect(try names("SELECT CASE WHEN a THEN b ELSE c END d FROM t").references == ["a@0", "b@0", "c@0"])
        let window = try names("SELECT sum(a) OVER (PARTITION BY b ORDER BY c) s FROM t")
        #expect(window.references == ["a@0", "b@0", "c@0"])
    }

    @Test("says whether it is simple, and where columns may be added")
    func simplicity() throws {
        #expect(try SQLStatement("SELECT a FROM t ORDER BY b LIMIT 3").isSimple)
        for sql in [
            "SELECT DISTINCT a FROM t", "SELECT a FROM t GROUP BY a", "SELECT a FROM t, u",
            "SELECT a FROM t UNION SELECT b FROM t", "WITH c AS (SELECT 1) SELECT a FROM t", "SELECT 1",
        ] {
            #expect(try !SQLStatement(sql).isSimple, "\(sql)")
        }
        let added = try SQLStatement("SELECT a.b FROM t WHERE c.d").text(adding: ", \"_offset\" ")
        #expect(added == "SELECT \"a.b\" , \"_offset\" FROM t WHERE \"c.d\"")
    }

    @Test("finds a star where it stands for columns")
    func stars() throws {
        for sql in ["SELECT * FROM t", "SELECT a, t.* FROM t", "SELECT a FROM t NATURAL JOIN u"] {
            #expect(try SQLStatement(sql).hasStar, "\(sql)")
        }
        for sql in ["SELECT count(*) FROM t", "SELECT a * b FROM t", "SELECT (a) * 2 FROM t"] {
            #expect(try !SQLStatement(sql).hasStar, "\(sql)")
        }
    }

    @Test(
        "is refused where it is not one SELECT",
        arguments: [
            ("", "nothing can be changed"), ("PRAGMA user_version", "nothing can be changed"),
            ("ATTACH 'x' AS y", "nothing can be changed"), ("EXPLAIN SELECT 1", "nothing can be changed"),
            ("SELECT 1; SELECT 2", "something follows"), ("SELECT 'a", "begins at byte 7 and does not end"),
            ("SELECT " + String(repeating: "(", count: 200), "deeper than 100"),
            ("SELECT '" + String(repeating: "a", count: 70_000) + "'", "at most 65536"),
        ])
    func refusals(sql: String, words: String) {
        do throws(Refusal) {
            _ = try SQLStatement(sql)
            Issue.record("it was taken")
        } catch {
            #expect(error.code == "QUERY_ERROR")
            #expect(error.sentence.contains(words), "\(error.sentence)")
        }
    }

    @Test("survives any text")
    func nonsense() {
        let pieces = [
            "SELECT", "FROM", "t", "(", ")", ",", "*", ".", "AS", "WITH", "JOIN", "ON", "'x'", "\"q\"", "GROUP", "BY", "CAST",
            "ORDER", "UNION", ";", "?", ":a", "1", "é", "USING", "COLLATE", "LIMIT", "DISTINCT", "[", "--", "/*", "x'",
        ]
        var random = RandomSource(seed: 5)
        for _ in 0..<5_000 {
            let text = (0..<Int.random(in: 0...20, using: &random)).map { _ in pieces.randomElement(using: &random)! }
            guard let statement = try? SQLStatement("SELECT " + text.joined(separator: " ")) else { continue }
            _ = statement.text(adding: ", 1 ")
        }
    }
}
