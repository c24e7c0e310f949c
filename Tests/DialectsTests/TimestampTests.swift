import Dialects
import Model
import Testing

@Suite("A timestamp")
struct TimestampTests {
    @Test(
        "is ISO 8601 in UTC with milliseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_769_860_800_250, "2026-01-31T12:00:00.250Z"), (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
        ])
    func known(milliseconds: Int64, text: String) {
        #expect(Timestamp.text(WallTime(milliseconds: milliseconds)) == text)
        #expect(Timestamp.time(text) == WallTime(milliseconds: milliseconds))
    }

    @Test("reads back as it was written, on every day around the turns of three centuries")
    func roundTrip() {
        for day in [-25_567, 10_957, 47_482].flatMap({ Array(Int64($0) - 800...Int64($0) + 800) }) {
            let time = WallTime(milliseconds: day * 86_400_000 + (day &* 7_919 % 86_400_000 + 86_400_000) % 86_400_000)
            #expect(Timestamp.time(Timestamp.text(time)) == time)
        }
    }

    @Test("is read with an offset, and with more or less of a fraction")
    func forms() {
        let noon = WallTime(milliseconds: 1_769_860_800_000)
        #expect(Timestamp.time("2026-01-31T14:30:00+02:30") == noon)
        #expect(Timestamp.time("2026-01-31T07:00:00-05:00") == noon)
        #expect(Timestamp.time("2026-01-31T12:00:00.1Z")?.milliseconds == noon.milliseconds + 100)
        #expect(Timestamp.time("2026-01-31T12:00:00.123456789Z")?.milliseconds == noon.milliseconds + 123)
    }

    @Test(
        "is refused when it is none",
        arguments: [
            "", "2026-01-31", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-31T24:00:00Z",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:00.Z", "2026-01-31 12:00:00Z", "2026-01-31T12:00:00Zx", "2026-01-31T12:00:00+2:00",
        ])
    func refused(text: String) {
        #expect(Timestamp.time(text) == nil)
    }
}
