/// Reads bytes as a stream of frames, whole and in pieces, and stops the program when the two disagree; for fuzzers and
/// property tests.
///
/// The first byte chooses the end of the connection, whether compression was agreed, and how the stream is cut; the
/// message limit is 4 KiB. The bytes are then read as a head, as a compressed message, and as a message to compress.
package func fuzzWebSocket(_ bytes: UnsafeRawBufferPointer) {
    guard let choice = bytes.first else { return }
    let stream = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    let role: Role = choice & 1 == 0 ? .server : .client
    let pieces = 1 + Int(choice >> 1) % 16
    let acceptsCompressed = choice & 0x20 != 0
    let whole = outcome(of: stream, pieces: max(1, stream.count), role: role, acceptsCompressed)
    let cut = outcome(of: stream, pieces: pieces, role: role, acceptsCompressed)
    precondition(whole.events == cut.events, "where reads cut the stream changes its events")
    precondition(whole.violation == cut.violation, "where reads cut the stream changes its violation")
    fuzzHead(stream)
    fuzzCompressed(Array(stream), pieces: pieces)
}

private let fuzzLimit = 4_096

/// What a stream brings when it comes in pieces of that many bytes.
private func outcome(
    of stream: UnsafeRawBufferPointer, pieces: Int, role: Role, _ acceptsCompressed: Bool
) -> (events: [MessageEvent], violation: ProtocolViolation?) {
    var assembler = MessageAssembler(role: role, messageLimit: fuzzLimit, acceptsCompressed: acceptsCompressed)
    var events: [MessageEvent] = []
    do {
        for start in stride(from: 0, to: stream.count, by: pieces) {
            let piece = UnsafeRawBufferPointer(rebasing: stream[start..<min(start + pieces, stream.count)])
            var taken = 0
            while taken < piece.count {
                let rest = UnsafeRawBufferPointer(rebasing: piece[taken...])
                taken += try assembler.receive(rest, pausingAfter: pieces, into: &events)
            }
            let most = fuzzLimit + fuzzLimit / 4 + 512
            precondition(assembler.bufferedByteCount <= most, "more is kept than the limits allow")
        }
    } catch {
        precondition(error.reason.utf8.count <= 123, "a reason does not fit a close frame")
        precondition(assembler.bufferedByteCount == 0 && !assembler.isInflating, "memory is kept behind a violation")
        return (events, error)
    }
    return (events, nil)
}

/// Bytes that claim to be compressed bring the same in one frame and in several; what is compressed here can be read.
private func fuzzCompressed(_ bytes: [UInt8], pieces: Int) {
    // A longer one may be refused for its length before it is refused for what comes first.
    guard bytes.count <= fuzzLimit else { return }
    var whole: [UInt8] = []
    FrameEncoder.frame(.binary, isCompressed: true, bytes[...], into: &whole)
    var fragments: [UInt8] = []
    for start in stride(from: 0, through: bytes.count, by: pieces) {
        let opcode = start == 0 ? Opcode.binary : .continuation
        let isFinal = start + pieces > bytes.count
        FrameEncoder.frame(
            opcode, isFinal: isFinal, isCompressed: start == 0, bytes[start..<min(start + pieces, bytes.count)],
            into: &fragments)
    }
    let inOne = whole.withUnsafeBytes { outcome(of: $0, pieces: whole.count, role: .client, true) }
    let inSeveral = fragments.withUnsafeBytes { outcome(of: $0, pieces: pieces, role: .client, true) }
    precondition(inOne.events == inSeveral.events, "fragments change what a compressed message brings")
    precondition(inOne.violation == inSeveral.violation, "fragments change how a compressed message is refused")

    var deflater = Deflater(window: pieces % 2 == 0 ? .standard : .narrow)
    var frame: [UInt8] = []
    FrameEncoder.frame(.binary, isCompressed: true, deflater.compress(bytes)[...], into: &frame)
    let back = frame.withUnsafeBytes { outcome(of: $0, pieces: pieces, role: .client, true) }
    precondition(back.events == [.binary(bytes)], "what was compressed here cannot be read")
}

/// A head that is read must be read the same when more follows it.
private func fuzzHead(_ bytes: UnsafeRawBufferPointer) {
    do {
        guard let (head, consumed) = try RequestHead.parse(bytes) else { return }
        let alone = try RequestHead.parse(UnsafeRawBufferPointer(rebasing: bytes[..<consumed]))
        precondition(alone?.head == head && alone?.consumed == consumed, "what follows a head changes it")
        if case .failure(let refusal) = Handshake.accept(head, compresses: true) {
            precondition(refusal.response().count < 1_024, "a refusal is longer than any sentence")
        }
        _ = (head.decodedPath, head.queryItem("token"))
    } catch {
        precondition(!bytes.isEmpty, "no bytes are refused: \(error)")
    }
}
