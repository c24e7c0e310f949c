import Broker
import Model
import NIOCore

/// What leaves a loop: frames of one tick go out together at its end, in one call for each connection.
///
/// A tick that writes to one list only has a ``SharedBatch``; as soon as it writes to a second one, every receiver has a
/// queue of its own until the tick ends.
extension FrontLoop {
    /// Writes one message to everybody on a list, encoded once for each form.
    func fanOut(_ item: Sequenced, to list: ListID) {
        guard let members = hub.members(of: list) else { return }
        if members.takes(Self.branchForm) { writeToBranches(item, of: members) }
        for form in members.formsTaken where isPersonal(form) { writePersonally(item, form, to: members) }
        guard members.formsTaken.contains(where: isShared) else { return }
        if let open = batch, open.list != list {
            dissolve(open)
            isTickMixed = true
        }
        if isTickMixed { return writeSeparately(item, to: members) }
        if batch == nil {
            batchCount += 1
            batch = SharedBatch(list: list, number: batchCount)
            scheduleFlush()
        }
        for form in members.formsTaken where isShared(form) {
            let frame = frame(of: item, in: form)
            batch?.append(frame, in: form)
            for connection in batch?.apart ?? [] {
                if let client = client(connection), client.form == form { client.enqueue(frame) }
            }
        }
        batch?.countFrame()
        if let open = batch, open.byteCount > SharedBatch.byteLimit { sendBatch() }
    }

    /// Gives a message to those who add an ending of their own; they are in no batch.
    private func writePersonally(_ item: Sequenced, _ form: WireForm.Index, to members: Hub.List) {
        let body = frame(of: item, in: form)
        for (index, connection) in members.connections.enumerated() where members.forms[index] == form {
            client(connection)?.deliver(item, body)
        }
    }

    private func isPersonal(_ form: WireForm.Index) -> Bool { form != Self.branchForm && forms[Int(form)].isPersonal }

    /// Whether receivers of the form get the same bytes.
    private func isShared(_ form: WireForm.Index) -> Bool { form != Self.branchForm && !forms[Int(form)].isPersonal }

    private func writeSeparately(_ item: Sequenced, to members: Hub.List) {
        for form in members.formsTaken where isShared(form) {
            let frame = frame(of: item, in: form)
            for (index, connection) in members.connections.enumerated() where members.forms[index] == form {
                client(connection)?.enqueue(frame)
            }
        }
    }

    private func frame(of item: Sequenced, in form: WireForm.Index) -> ByteBuffer {
        let wire = forms[Int(form)]
        return exchange.frame(of: item.sequence, form: wire.key) {
            counters.encodings += 1
            switch wire.framing {
            case .frame(let window):
                return compressor.frame(.text, wire.encoding.encode(item), window: window, counting: &counters)
            case .body: return ByteBuffer(bytes: wire.encoding.encode(item))
            }
        }
    }

    /// The loop's number for a form.
    func index(of form: WireForm) -> WireForm.Index {
        if let known = forms.firstIndex(where: { $0.isSame(as: form) }) { return WireForm.Index(known) }
        precondition(forms.count < Int(WireForm.Index.max), "there are fewer dialects than a byte has values")
        forms.append(form)
        return WireForm.Index(forms.count - 1)
    }

    // MARK: Lists

    func join(_ list: ListID, _ connection: ConnectionID) {
        if case .branch = occupant(connection) { return hub.join(list, connection, Self.branchForm) }
        guard let client = client(connection) else { return }
        hub.join(list, connection, client.form)
        guard let open = batch, open.list == list else { return }
        // What the batch holds came before.
        client.isApart(from: open.number)
        batch?.takeApart(connection)
    }

    func leave(_ list: ListID, _ connection: ConnectionID) {
        if batch?.list == list {
            takeApart(connection)
            batch?.forget(connection)
        }
        hub.leave(list, connection)
    }

    func dropList(_ list: ListID) {
        if batch?.list == list { sendBatch() }
        hub.drop(list)
    }

    /// Gives a connection, which is about to be written something else, what the open batch has for it.
    func takeApart(_ connection: ConnectionID) {
        guard let open = batch, let members = hub.members(of: open.list), members.contains(connection),
            let client = client(connection), client.apartFrom != open.number
        else { return }
        batch?.takeApart(connection)
        client.isApart(from: open.number)
        if let bytes = open.bytes(in: client.form) { client.enqueue(bytes, frames: open.frameCount) }
    }

    /// Puts what a batch holds into its receivers' own queues.
    private func dissolve(_ open: SharedBatch) {
        batch = nil
        guard let members = hub.members(of: open.list) else { return }
        for (index, connection) in members.connections.enumerated() {
            guard let client = client(connection), client.apartFrom != open.number,
                let bytes = open.bytes(in: members.forms[index])
            else { continue }
            client.enqueue(bytes, frames: open.frameCount)
        }
    }

    // MARK: Sending

    /// Notes that a connection has something in its own queue.
    func needsFlush(_ connection: ClientConnection) {
        unflushed.append(connection)
        scheduleFlush()
    }

    private func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        eventLoop.assumeIsolated().execute { self.flush() }
    }

    /// Sends what the tick wrote.
    private func flush() {
        isFlushScheduled = false
        sendBatch()
        isTickMixed = false
        var waiting: [ClientConnection] = []
        swap(&waiting, &unflushed)
        for connection in waiting { connection.flush() }
        ledger.endTurn()
    }

    /// Hands the open batch to everybody on its list: straight to the sockets of those who have nothing else waiting.
    private func sendBatch() {
        guard let open = batch else { return }
        batch = nil
        guard let members = hub.members(of: open.list) else { return }
        for form in members.formsTaken {
            guard let bytes = open.bytes(in: form) else { continue }
            let rest = bytes.withUnsafeReadableBytes { sendToAll(members, in: form, $0, frames: open.frameCount) }
            for (connection, outcome) in rest {
                guard let client = client(connection), client.apartFrom != open.number else { continue }
                switch outcome {
                case nil: client.enqueue(bytes, frames: open.frameCount)
                case .taken(let count): client.goOn(with: bytes, after: count, frames: open.frameCount)
                case .broken: client.breakOff()
                }
            }
        }
    }

    /// The loop of fan-out: one `send` for each member of a form, many of them in one call where the kernel has that. Gives
    /// those who did not take everything, and, without an outcome, those who cannot be sent to directly now.
    private func sendToAll(
        _ members: Hub.List, in form: WireForm.Index, _ bytes: UnsafeRawBufferPointer, frames: Int
    ) -> [(ConnectionID, DirectSendOutcome?)] {
        var rest: [(ConnectionID, DirectSendOutcome?)] = []
        var sent: UInt64 = 0
        members.connections.withUnsafeBufferPointer { connections in
            members.forms.withUnsafeBufferPointer { forms in
                descriptors.withUnsafeBufferPointer { descriptors in
                    func note(_ index: Int, _ outcome: DirectSendOutcome) {
                        if case .taken(bytes.count) = outcome {
                            sent += 1
                        } else {
                            rest.append((connections[index], outcome))
                        }
                    }
                    for index in 0..<connections.count where forms[index] == form {
                        let descriptor = descriptors[Int(connections[index].index)]
                        guard descriptor != Self.notDirect else {
                            rest.append((connections[index], nil))
                            continue
                        }
                        guard let sendRing else {
                            note(index, sendDirectly(bytes, to: descriptor))
                            continue
                        }
                        sendRing.order(descriptor, tag: index)
                        if sendRing.isFull { sendRing.send(bytes, outcome: note) }
                    }
                    sendRing?.send(bytes, outcome: note)
                }
            }
        }
        counters.framesSent += sent * UInt64(frames)
        counters.bytesSent += sent * UInt64(bytes.count)
        return rest
    }

    // MARK: Descriptors

    /// What stands in ``descriptors`` for a connection whose bytes must take another way: one with TLS, one that has
    /// frames of its own waiting, one that is ending.
    static var notDirect: CInt { -1 }

    /// Lets fan-out hand bytes to a connection's socket; the connection has nothing else waiting.
    func permitDirect(_ connection: ConnectionID, _ descriptor: CInt) {
        let index = Int(connection.index)
        while descriptors.count <= index { descriptors.append(Self.notDirect) }
        descriptors[index] = descriptor
    }

    /// Keeps fan-out away from a connection's socket.
    func forbidDirect(_ connection: ConnectionID) {
        let index = Int(connection.index)
        while descriptors.count <= index { descriptors.append(Self.notDirect) }
        descriptors[index] = Self.notDirect
    }
}
