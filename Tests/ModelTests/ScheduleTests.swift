import Model
import Testing

@Suite("A cron expression")
struct CronExpressionTests {
    private func time(_ year: Int64, _ month: Int64, _ day: Int64, _ hour: Int64 = 0, _ minute: Int64 = 0) -> WallTime {
        let days = CivilDate(year: year, month: month, day: day).days
        return WallTime(milliseconds: ((days * 24 + hour) * 60 + minute) * 60_000)
    }

    private func next(_ text: String, after time: WallTime) throws -> WallTime? {
        try CronExpression(text).next(after: time)
    }

    @Test("finds the next time of each of its fields")
    func fields() throws {
        // 31 January 2026 is a Saturday.
        let start = time(2026, 1, 31, 12, 30)
        #expect(try next("* * * * *", after: start) == time(2026, 1, 31, 12, 31))
        #expect(try next("*/20 * * * *", after: start) == time(2026, 1, 31, 12, 40))
        #expect(try next("30 12 * * *", after: start) == time(2026, 2, 1, 12, 30))
        #expect(try next("5,10 8-9 * * *", after: start) == time(2026, 2, 1, 8, 5))
        #expect(try next("0 0 31 * *", after: start) == time(2026, 3, 31))
        #expect(try next("0 6 * * MON-FRI", after: start) == time(2026, 2, 2, 6))
        #expect(try next("0 6 * * 7", after: start) == time(2026, 2, 1, 6))
        #expect(try next("0 0 1 jan *", after: start) == time(2027, 1, 1))
        #expect(try next("0 0 29 2 *", after: start) == time(2028, 2, 29))
        #expect(try next("59 23 31 12 *", after: time(2026, 12, 31, 23, 59)) == time(2027, 12, 31, 23, 59))
        #expect(try next("50/5 * * * *", after: start) == time(2026, 1, 31, 12, 50))
        #expect(try next("@daily", after: start) == time(2026, 2, 1))
    }

    @Test("is due after a time within a minute at the next whole one, and never at the time itself")
    func minutes() throws {
        let start = time(2026, 1, 31, 12, 30)
        #expect(try next("* * * * *", after: WallTime(milliseconds: start.milliseconds - 1)) == start)
        #expect(
            try next("* * * * *", after: WallTime(milliseconds: start.milliseconds + 59_999))
                == time(2026, 1, 31, 12, 31))
    }

    @Test("takes either day where both are restricted")
    func days() throws {
        // The 13th, and every Friday.
        let expression = try CronExpression("0 0 13 * 5")
        var found: [WallTime] = []
        while found.count < 4 { found.append(try #require(expression.next(after: found.last ?? time(2026, 2, 1)))) }
        #expect(found == [time(2026, 2, 6), time(2026, 2, 13), time(2026, 2, 20), time(2026, 2, 27)])
    }

    @Test("agrees with a search minute by minute")
    func search() throws {
        let expression = try CronExpression("*/7 3,4 */2 1-6/2 *")
        var random = RandomSource(seed: 5)
        for _ in 0..<50 {
            let start = time(2026, .random(in: 1...12, using: &random), .random(in: 1...28, using: &random))
            var minute = start.milliseconds / 60_000 + 1
            while true {
                let date = CivilDate(days: minute / 1_440)
                let (hour, rest) = (minute / 60 % 24, minute % 60)
                if rest % 7 == 0, hour == 3 || hour == 4, date.day % 2 == 1, date.month % 2 == 1, date.month <= 6 {
                    break
                }
                minute += 1
            }
            #expect(expression.next(after: start) == WallTime(milliseconds: minute * 60_000))
        }
    }

    @Test(
        "says what is wrong with a text, and what would be right",
        arguments: [
            ("", "has 0 fields; it has five"), ("* * * *", "has 4 fields"), ("@often", "@hourly"),
            ("60 * * * *", "the minute 60 is not within 0 to 59"), ("* 24 * * *", "the hour 24"),
            ("* * 0 * *", "the day of the month 0 is not within 1 to 31"), ("* * * 13 *", "the month 13"),
            ("* * * * 8", "the day of the week 8"), ("x * * * *", "the minute \"x\" cannot be read"),
            ("5-1 * * * *", "\"5-1\" cannot be read"), ("*/0 * * * *", "the step of the minute"),
            ("1,,2 * * * *", "\"\" cannot be read"), ("* * * foo *", "the month \"foo\""), ("+5 * * * *", "\"+5\""),
            ("0 0 30 2 *", "never comes"), (String(repeating: "1,", count: 200), "at most 256"),
        ])
    func wrong(text: String, words: String) {
        do throws(CronError) {
            _ = try CronExpression(text)
            Issue.record("\(text) is taken")
        } catch {
            #expect(error.description.contains(words), "\(error)")
        }
    }
}

@Suite("A schedule")
struct ScheduleTests {
    static func schedule(_ id: String, _ timing: Schedule.Timing, name: String = "s") throws -> Schedule {
        let narrowing = TopicNarrowing(read: [.everything], write: [], manage: [try TopicFilter("a/+")])
        let creator = Principal(
            user: "ann", groups: ["g"], roles: ["user"], narrowing: narrowing, expiry: WallTime(milliseconds: 5))
        return Schedule(
            id: id, name: name, timing: timing,
            action: .publish(topic: try TopicName("t"), payload: Array("7".utf8), event: "e", key: "k"),
            creator: creator,
            created: WallTime(milliseconds: 10_500))
    }

    @Test("with an interval is due so long after its creation, and never before")
    func intervals() throws {
        let schedule = try Self.schedule("s", .interval(.seconds(2)))
        func due(_ time: Int64) -> Int64? { schedule.due(after: WallTime(milliseconds: time))?.milliseconds }
        #expect(due(0) == 12_500 && due(10_500) == 12_500 && due(12_499) == 12_500)
        #expect(due(12_500) == 14_500 && due(1_000_000) == 1_000_500)
    }

    @Test("by the calendar is not due before it was created")
    func calendar() throws {
        let schedule = try Self.schedule("s", .cron(try CronExpression("* * * * *")))
        #expect(schedule.due(after: WallTime(milliseconds: -600_000))?.milliseconds == 60_000)
    }

    @Test("outlives the token that it was created with")
    func expiry() throws {
        let creator = try Self.schedule("s", .interval(.seconds(2))).creator
        #expect(creator.expiry == nil && creator.narrowing != nil && creator.groups == ["g"])
    }

    @Test("is the same after it was written and read back, as a record and in the registry")
    func codec() throws {
        let origin = Origin(node: NodeID(rawValue: 3), epoch: Epoch(rawValue: 1))
        var registry = Registry()
        let query = Schedule(
            id: "q", name: "q", timing: .interval(.seconds(60)),
            action: .query(sql: "SELECT 1", parameters: Array("[1]".utf8)), creator: Principal(user: "", roles: []),
            created: WallTime(milliseconds: 1))
        let changes: [ScheduleChange] = [
            .created(try Self.schedule("s", .cron(try CronExpression("0 6 * * 1")))), .created(query),
            .removed(id: "gone"),
        ]
        for (index, change) in changes.enumerated() {
            let time = HybridTime(milliseconds: UInt64(index), counter: 1)
            let record = Record(
                origin: origin, slot: .system, position: 1, time: time, seen: 0, body: .schedule(change))
            var writer = ByteWriter()
            record.encode(into: &writer)
            var reader = ByteReader(writer.bytes)
            #expect(try Record.decode(from: &reader).body == record.body)
            registry.merge(change, stamp: Stamp(time: time, origin: origin))
        }
        var writer = ByteWriter()
        registry.encode(into: &writer, withDepartures: true, withSchedules: true)
        var reader = ByteReader(writer.bytes)
        #expect(try Registry.decode(from: &reader, withDepartures: true, withSchedules: true) == registry)
        try reader.finish()
        #expect(registry.liveSchedules.map(\.id) == ["q", "s"])
    }

    @Test("more is kept from being created by three limits, of which removing one helps against two")
    func limits() throws {
        var registry = Registry()
        var count: UInt64 = 0
        func merge(_ change: ScheduleChange) {
            count += 1
            let origin = Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 7))
            registry.merge(change, stamp: Stamp(time: HybridTime(milliseconds: count, counter: 0), origin: origin))
        }
        let one = try Self.schedule("one", .interval(.seconds(5)))
        for number in 1...Schedule.userLimit { merge(.created(try Self.schedule("\(number)", .interval(.seconds(5))))) }
        #expect(registry.limit(metBy: one, isOfAdmin: false) == .ofUser)
        #expect(registry.limit(metBy: one, isOfAdmin: true) == nil)
        merge(.removed(id: "1"))
        #expect(registry.limit(metBy: one, isOfAdmin: false) == nil)
        for number in Schedule.userLimit + 1...Schedule.limit + 1 {
            merge(.created(try Self.schedule("\(number)", .interval(.seconds(5)))))
        }
        #expect(registry.limit(metBy: one, isOfAdmin: true) == .ofCluster)
        for number in 1...Schedule.idLimit { merge(.removed(id: "\(number)")) }
        #expect(registry.liveSchedules.isEmpty && registry.limit(metBy: one, isOfAdmin: true) == .ids)
    }

    @Test("is the same in every registry, in whatever order and however often its changes come, and stays removed")
    func lattice() throws {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            let changes: [(ScheduleChange, Stamp)] = try (0..<10).map { index in
                let id = ["a", "b", "c"].randomElement(using: &random)!
                let origin = Origin(
                    node: NodeID(rawValue: .random(in: 1...3, using: &random)), epoch: Epoch(rawValue: 7))
                let stamp = Stamp(
                    time: HybridTime(milliseconds: .random(in: 1...5, using: &random), counter: UInt16(index)),
                    origin: origin)
                let created = ScheduleChange.created(try Self.schedule(id, .interval(.seconds(5)), name: "\(index)"))
                return (Int.random(in: 0..<5, using: &random) == 0 ? .removed(id: id) : created, stamp)
            }
            func merged(_ changes: some Sequence<(ScheduleChange, Stamp)>) -> Registry {
                var registry = Registry()
                for (change, stamp) in changes { registry.merge(change, stamp: stamp) }
                return registry
            }
            let expected = merged(changes)
            #expect(merged(changes.shuffled(using: &random)) == expected, "seed \(seed)")
            #expect(merged(changes + changes) == expected, "seed \(seed): not idempotent")
            let retold = expected.schedules.map { ($1.retold(id: $0), $1.stamp) }
            #expect(merged(retold) == expected, "seed \(seed): not the same when retold")
            let removed = Set(changes.compactMap { if case .removed(let id) = $0.0 { id } else { nil } })
            #expect(expected.liveSchedules.allSatisfy { !removed.contains($0.id) }, "seed \(seed)")
        }
    }
}
