import Journal
import Model

// Damage: found by reads, by the scrub and at the start; told by name; written back when peers have given what stood there.
extension LogLoop {
    /// Tells what recovery found damaged, so that other holders are asked for it.
    mutating func beginRepairs() {
        do { tell(try log.beginRepairs()) } catch { notify(.housekeepingFailed(error)) }
    }

    /// Checks a little of the log, and sets when the next part is checked so that the rate is kept.
    mutating func scrub() {
        let now = clocks().monotonic
        do {
            let step = try log.scrub()
            let pause = Duration.nanoseconds(Int64(step.bytes) * 1_000_000_000 / Int64(max(1, settings.scrubRate)))
            scrubAt = now + max(.milliseconds(5), pause)
            if step.isEndOfPass {
                scrubAt = max(now + Self.unhurriedDelay, passBegan + settings.scrubInterval)
                passBegan = scrubAt
            }
        } catch {
            scrubAt = now + settings.housekeepingInterval
            notify(.housekeepingFailed(error))
        }
        tellFigures()
    }

    /// Looks at the segments that a read or the scrub found wrong.
    mutating func examine() {
        do { tell(try log.examineSuspects()) } catch { notify(.housekeepingFailed(error)) }
    }

    /// Writes back what has come, where all that was asked for of a segment is answered.
    mutating func writeRepairs() {
        guard !hasFailed else { return }
        do {
            while let mended = try log.writeRepairs() { notify(.mended(mended)) }
        } catch {
            if let failure = log.failure { fail(failure) } else { notify(.housekeepingFailed(error)) }
        }
        tellFigures()
    }

    private func tell(_ found: FoundDamage) {
        tellFigures()
        if !found.isEmpty { notify(.damaged(found)) }
    }

    private func tellFigures() { notify(.repairs(log.repairCounters, pending: log.pendingRepairs)) }
}
