import CEpoll
import Glibc
import Histogram
import WebSocket

extension LoadClient {
    /// What it took to open connections.
    struct Opened {
        /// From the first attempt until all were ready.
        let seconds: Double
        /// Nanoseconds from each one's first attempt until it was ready.
        let latency: Histogram<UInt64>
    }

    /// Opens connections, so many at once, until every one can do its work.
    ///
    /// One that is turned away with 503, or cut, tries again after what `Retry-After` says, else after 0.1 to 0.3 s.
    /// - Throws: when a broker says no, or nothing has become ready for as long as the patience lasts.
    mutating func open(_ range: Range<Int>) throws(CommandFailure) -> Opened {
        let began = LoadClock.now
        var latency = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
        var next = range.lowerBound
        var ready = 0
        var progress = began
        for index in range { connections[index].since = 0 }
        while ready < range.count {
            while next < range.upperBound, unfinished < settings.atOnce {
                connections[next].since = LoadClock.now
                try begin(next)
                next += 1
            }
            try reopenDue()
            try turn(milliseconds: postponed.isEmpty ? 100 : 5)
            let now = LoadClock.now
            for index in becameReady {
                latency.record(now - connections[index].since)
                ready += 1
                progress = now
            }
            becameReady.removeAll(keepingCapacity: true)
            guard now - progress < LoadClock.nanoseconds(settings.patience) else {
                throw .unreachable(
                    "\(ready) of \(range.count) connections became ready, and none within \(settings.patience)"
                        + (tally.lastEnd.isEmpty ? "" : "; the last was turned away: \(tally.lastEnd)"))
            }
        }
        return Opened(seconds: Double(LoadClock.now - began) / 1e9, latency: latency)
    }

    /// Waits for sockets once, and does what can be done.
    mutating func turn(milliseconds: Int32) throws(CommandFailure) {
        let count = poller.wait(milliseconds: milliseconds)
        for event in 0..<count {
            let readiness = poller[event]
            let index = readiness.token
            if case .connecting = connections[index].phase {
                try connected(index)
                continue
            }
            if readiness.isWritable { try flush(index) }
            if readiness.isReadable, connections[index].descriptor >= 0 { try read(index) }
        }
    }

    private mutating func begin(_ index: Int) throws(CommandFailure) {
        let place = place(of: connections[index])
        unfinished += 1
        let error = connections[index].connect(to: place)
        guard error == 0 else {
            if error == EMFILE || error == ENFILE { throw .broken("no more sockets: \(String(cString: strerror(error)))") }
            return postpone(index, String(cString: strerror(error)))
        }
        connections[index].awaitsRoom = true
        try poller.add(connections[index].descriptor, token: index, writable: true)
    }

    private mutating func connected(_ index: Int) throws(CommandFailure) {
        let error = connections[index].connectResult()
        guard error == 0 else { return postpone(index, String(cString: strerror(error))) }
        let connection = connections[index]
        do throws(ClientHandshake.Failure) {
            let handshake = try ClientHandshake(
                host: "\(connection.address.endpoint)",
                target: settings.tongue.target(connection.role, topic: topics(of: connection).first ?? ""),
                nonce: (.random(in: 0...UInt64.max), .random(in: 0...UInt64.max)),
                subprotocols: settings.tongue.subprotocol.map { [$0] } ?? [],
                headers: settings.token.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? [])
            connections[index].outgoing = handshake.request
            connections[index].handshake = handshake
        } catch {
            throw .broken("\(error)")
        }
        connections[index].phase = .shaking
        try flush(index)
    }

    /// Reads the response of the handshake; says where it ends, nil while bytes are missing.
    mutating func shake(_ bytes: UnsafeRawBufferPointer, on index: Int) throws(CommandFailure) -> Int? {
        let agreement: ClientHandshake.Agreement?
        do throws(ClientHandshake.Failure) {
            agreement = try connections[index].handshake?.verify(bytes)
        } catch {
            switch error {
            case .refused(status: 503):
                postpone(index, "503 Service Unavailable", after: retryAfter(bytes))
                return nil
            case .refused(let status):
                throw .refused(code: "HTTP \(status)", message: "the broker refuses the WebSocket")
            default: throw .broken("\(error)")
            }
        }
        guard let agreement else { return nil }
        connections[index].handshake = nil
        try greet(index)
        return agreement.consumed
    }

    private mutating func greet(_ index: Int) throws(CommandFailure) {
        let connection = connections[index]
        let opening = settings.tongue.opening(
            connection.role, topics: topics(of: connection), isFirst: connection.ordinal == 0)
        connections[index].phase = .attaching(opening.answers)
        connections[index].asksAgain = false
        try say(opening.frames, on: index)
        if opening.answers == 0 { finish(index) }
    }

    private mutating func finish(_ index: Int) {
        connections[index].phase = .ready
        connections[index].listen()
        unfinished -= 1
        becameReady.append(index)
    }

    /// Does what a broker's word asks for.
    mutating func heard(_ notice: LoadNotice, on index: Int) throws(CommandFailure) {
        switch (notice, connections[index].phase) {
        case (.answer, .attaching(let missing)), (.again, .attaching(let missing)):
            if notice == .again { connections[index].asksAgain = true }
            connections[index].phase = .attaching(missing - 1)
            guard missing == 1 else { return }
            if connections[index].asksAgain {
                postponed.append((LoadClock.now + 20_000_000, index))
            } else {
                finish(index)
            }
        case (.again, _): throw .refused(code: "TOPIC_NOT_FOUND", message: "the topic is gone")
        case (.reply(let frame), _): try say([frame], on: index)
        case (.refused(let words), _): throw .refused(code: "REFUSED", message: words)
        case (.gap, _): tally.gaps += 1
        case (.answer, _), (.nothing, _): break
        }
    }

    /// Notes that a connection ended, and opens it again when it was not ready yet.
    mutating func ended(_ index: Int, _ why: String) throws(CommandFailure) {
        if case .ready = connections[index].phase {
            tally.ended += 1
            tally.lastEnd = why
            connections[index].drop()
        } else {
            postpone(index, why)
        }
    }

    private mutating func postpone(_ index: Int, _ why: String, after seconds: Double? = nil) {
        tally.turnedAway += 1
        tally.lastEnd = why
        connections[index].drop()
        unfinished -= 1
        // Spread out, so that those who were turned away together do not come back together.
        let delay = (seconds ?? 0.1) * .random(in: 1...2) + .random(in: 0...0.1)
        postponed.append((LoadClock.now + UInt64(delay * 1e9), index))
    }

    private mutating func reopenDue() throws(CommandFailure) {
        guard !postponed.isEmpty else { return }
        let now = LoadClock.now
        let due = postponed.filter { $0.due <= now }.map(\.index)
        guard !due.isEmpty else { return }
        postponed.removeAll { $0.due <= now }
        for index in due {
            if case .attaching = connections[index].phase { try greet(index) } else { try begin(index) }
        }
    }

    private func retryAfter(_ head: UnsafeRawBufferPointer) -> Double? {
        let lines = String(decoding: head, as: UTF8.self).lowercased().split(separator: "\r\n")
        return lines.first { $0.hasPrefix("retry-after:") }.flatMap {
            Double($0.dropFirst("retry-after:".count).drop { $0 == " " })
        }
    }

    /// Ends connections.
    mutating func close(_ range: Range<Int>) {
        for index in range { connections[index].end() }
    }

    /// Ends connections without a word.
    mutating func drop(_ range: Range<Int>) {
        for index in range { connections[index].drop() }
    }
}
