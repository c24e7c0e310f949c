/// Reads bytes as a stream of frames, whole and in pieces, and stops the program when the two disagree; for fuzzers and
/// property tests.
///
/// The first byte chooses the end of the connection and how the stream is cut; the message limit is 4 KiB.
package func fuzzWebSocket(_ bytes: UnsafeRawBufferPointer) {
    guard let choice = bytes.first else { return }
    let stream = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    let role: Role = choice & 1 == 0 ? .server : .client
    let whole = outcome(of: stream, pieces: max(1, stream.count), role: role)
    let cut = outcome(of: stream, pieces: 1 + Int(choice >> 1) % 16, role: role)
    precondition(whole.events == cut.events, "where reads cut the stream changes its events")
    precondition(whole.violation == cut.violation, "where reads cut the stream changes its violation")
    fuzzHead(stream)
}

private let fuzzLimit = 4_096

/// What a stream brings when it comes in pieces of that many bytes.
private func outcome(
    of stream: UnsafeRawBufferPointer, pieces: Int, role: Role
) -> (events: [MessageEvent], violation: ProtocolViolation?) {
    var assembler = MessageAssembler(role: role, messageLimit: fuzzLimit)
    var events: [MessageEvent] = []
    do {
        for start in stride(from: 0, to: stream.count, by: pieces) {
            let piece = UnsafeRawBufferPointer(rebasing: stream[start..<min(start + pieces, stream.count)])
            try assembler.receive(piece, into: &events)
            let most = fuzzLimit + fuzzLimit / 4 + 512
            precondition(assembler.bufferedByteCount <= most, "more is kept than the limits allow")
        }
    } catch {
        precondition(error.reason.utf8.count <= 123, "a reason does not fit a close frame")
        precondition(assembler.bufferedByteCount == 0, "memory is kept behind a violation")
        return (events, error)
    }
    return (events, nil)
}

/// A head that is read must be read the same when more follows it.
private func fuzzHead(_ bytes: UnsafeRawBufferPointer) {
    do {
        guard let (head, consumed) = try RequestHead.parse(bytes) else { return }
        let alone = try RequestHead.parse(UnsafeRawBufferPointer(rebasing: bytes[..<consumed]))
        precondition(alone?.head == head && alone?.consumed == consumed, "what follows a head changes it")
        if case .failure(let refusal) = Handshake.accept(head) {
            precondition(refusal.response().count < 1_024, "a refusal is longer than any sentence")
        }
        _ = (head.decodedPath, head.queryItem("token"))
    } catch {
        precondition(!bytes.isEmpty, "no bytes are refused: \(error)")
    }
}
