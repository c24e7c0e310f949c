import Journal
import Model
import Testing

@Suite("A sequencer of rows")
struct RowTests {
    private let table: TopicName
    private let wall = WallTime(milliseconds: 1_000_000)
    private let own = Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 10))
    private let peer = Origin(node: NodeID(rawValue: 2), epoch: Epoch(rawValue: 20))

    init() throws { table = try TopicName("orders") }

    private func sequencer(rows: Int = 100) throws -> Sequencer {
        var settings = SequencerSettings()
        settings.rows = rows
        var sequencer = Sequencer(start: SequencerStart(origin: own), settings: settings)
        var batch: [Sequenced] = []
        _ = try sequencer.create(
            table, kind: .table, durability: .disk, owner: "", groups: [], settings: TopicSettings(), at: wall, into: &batch
        ).get()
        return sequencer
    }

    private func draft(
        _ key: String, _ payload: String, readers: RowDraft.Readers = .kept, rights: PermissionMask.Rights = .all,
        writer: Principal? = nil, id: String? = nil, needsOwnRecord: Bool = false
    ) -> Draft {
        Draft(
            topic: table, event: "new-message", key: key, publisher: "ada", source: "s", messageID: id, timeToLive: nil,
            payload: Array(payload.utf8), needsOwnRecord: needsOwnRecord,
            row: RowDraft(readers: readers, rights: rights, writer: writer))
    }

    /// A peer's version of a row, with a time so many milliseconds later than the test's own.
    private func record(
        _ key: String, revision: UInt64, position: UInt64, after milliseconds: Int64, payload: String = "9", id: String? = nil
    ) -> Record {
        Record(
            origin: peer, slot: Slot(of: table), position: position,
            time: HybridTime(milliseconds: UInt64(wall.milliseconds + milliseconds)), seen: 0,
            body: .message(
                Message(
                    topic: table, generation: 1, offset: position, event: "update", key: key, publisher: "ada", source: "p",
                    messageID: id, expiry: nil, payload: Array(payload.utf8), row: RowVersion(revision: revision))))
    }

    @Test("says what becomes of a row, and counts its versions")
    func events() throws {
        var (sequencer, batch): (Sequencer, [Sequenced]) = (try sequencer(), [])
        for payload in ["1", "2", "null", "3"] {
            _ = try sequencer.publish(draft("a", payload), at: wall, into: &batch).get()
        }
        #expect(batch.compactMap(\.record.message?.event) == ["create", "update", "delete", "create"])
        #expect(batch.compactMap(\.record.message?.row?.revision) == [1, 2, 3, 4])
    }

    @Test("ends no row that is not there, and writes nothing then")
    func unknownRow() throws {
        var (sequencer, batch): (Sequencer, [Sequenced]) = (try sequencer(), [])
        #expect(sequencer.publish(draft("a", "null"), at: wall, into: &batch) == .failure(.rowUnknown))
        _ = try sequencer.publish(draft("a", "1"), at: wall, into: &batch).get()
        _ = try sequencer.publish(draft("a", "null"), at: wall, into: &batch).get()
        #expect(sequencer.publish(draft("a", "null"), at: wall, into: &batch) == .failure(.rowUnknown))
        #expect(batch.count == 2)
    }

    @Test("does only what the mask allows for the event")
    func rights() throws {
        var (sequencer, batch): (Sequencer, [Sequenced]) = (try sequencer(), [])
        #expect(
            sequencer.publish(draft("a", "1", rights: .update), at: wall, into: &batch) == .failure(.rowForbidden(.create)))
        _ = try sequencer.publish(draft("a", "1", rights: .create), at: wall, into: &batch).get()
        #expect(
            sequencer.publish(draft("a", "2", rights: .create), at: wall, into: &batch) == .failure(.rowForbidden(.update)))
        #expect(
            sequencer.publish(draft("a", "null", rights: [.create, .update]), at: wall, into: &batch)
                == .failure(.rowForbidden(.delete)))
        #expect(batch.count == 1)
    }

    @Test("keeps a row's readers until they are changed, and lets only them and admins write it")
    func readers() throws {
        var (sequencer, batch): (Sequencer, [Sequenced]) = (try sequencer(), [])
        let ann = Principal(user: "ann", roles: [])
        let bob = Principal(user: "bob", groups: ["staff"], roles: [])
        let only = RowReaders(users: ["ann"], groups: [])
        _ = try sequencer.publish(draft("a", "1", readers: .changed(only), writer: ann), at: wall, into: &batch).get()
        #expect(
            sequencer.publish(draft("a", "2", writer: bob), at: wall, into: &batch) == .failure(.rowForbidden(.update)))
        _ = try sequencer.publish(draft("a", "2", writer: ann), at: wall, into: &batch).get()
        #expect(batch.last?.record.message?.row?.readers == only)
        let staff = RowReaders(users: [], groups: ["staff"])
        _ = try sequencer.publish(draft("a", "3", readers: .changed(staff), writer: ann), at: wall, into: &batch).get()
        _ = try sequencer.publish(draft("a", "4", writer: bob), at: wall, into: &batch).get()
        #expect(batch.last?.record.message?.row == RowVersion(revision: 4, readers: staff, former: .some(only.union(staff))))
        #expect(batch.last?.replacedReaders == .some(staff))
    }

    @Test("lets the greatest by revision, then time, be the row, whatever came first")
    func merging() throws {
        var (sequencer, batch): (Sequencer, [Sequenced]) = (try sequencer(), [])
        _ = try sequencer.publish(draft("a", "1"), at: wall, into: &batch).get()
        _ = try sequencer.publish(draft("a", "2"), at: wall, into: &batch).get()
        // A later time does not beat a higher revision; the same revision is beaten by a later time.
        for (position, row) in [(1, 60_000), (2, 50_000), (2, 70_000)].enumerated() {
            let record = record("a", revision: UInt64(row.0), position: UInt64(position + 1), after: Int64(row.1))
            #expect(sequencer.admit(record, at: wall, into: &batch) == .taken)
        }
        #expect(batch.map(\.isSilent) == [false, false, true, false, false])
        _ = try sequencer.publish(draft("a", "5"), at: wall, into: &batch).get()
        #expect(batch.last?.record.message?.row?.revision == 3)
    }

    @Test("writes a repeat of a peer's row once more without beating what came after it")
    func twin() throws {
        var (sequencer, batch): (Sequencer, [Sequenced]) = (try sequencer(), [])
        _ = sequencer.admit(record("a", revision: 1, position: 1, after: 0, payload: "1", id: "m"), at: wall, into: &batch)
        _ = try sequencer.publish(draft("a", "2"), at: wall, into: &batch).get()
        let receipt = try sequencer.publish(draft("a", "1", id: "m", needsOwnRecord: true), at: wall, into: &batch).get()
        #expect(receipt.isRepeat && receipt.partition.origin == peer)
        #expect(batch.last?.record.message?.row?.revision == 0 && batch.last?.isSilent == true)
        _ = try sequencer.publish(draft("a", "3"), at: wall, into: &batch).get()
        #expect(batch.last?.record.message?.row?.revision == 3)
    }

    @Test("shows subscribers the version that a peer's record makes newest, though a twin with its id came first")
    func original() throws {
        var (sequencer, batch): (Sequencer, [Sequenced]) = (try sequencer(), [])
        _ = try sequencer.publish(draft("a", "1"), at: wall, into: &batch).get()
        for (position, revision) in [(1, 0), (2, 2)] as [(UInt64, UInt64)] {
            let record = record("a", revision: revision, position: position, after: 100, payload: "2", id: "m")
            #expect(sequencer.admit(record, at: wall, into: &batch) == .taken)
        }
        #expect(batch.map(\.isSilent) == [false, true, false])
    }

    @Test("creates no more rows than it may hold, and takes in what peers have")
    func bound() throws {
        var (sequencer, batch): (Sequencer, [Sequenced]) = (try sequencer(rows: 2), [])
        for key in ["a", "b"] { _ = try sequencer.publish(draft(key, "1"), at: wall, into: &batch).get() }
        #expect(sequencer.publish(draft("c", "1"), at: wall, into: &batch) == .failure(.rowLimit(2)))
        _ = try sequencer.publish(draft("a", "2"), at: wall, into: &batch).get()
        #expect(sequencer.admit(record("c", revision: 1, position: 1, after: 0), at: wall, into: &batch) == .taken)
        #expect(sequencer.rowCount == 3)
        _ = try sequencer.destroy(table, at: wall, into: &batch).get()
        #expect(sequencer.rowCount == 0)
    }
}
