import Model
import WebSocket

/// What a stream brought: events, and the violation that ended it.
struct Outcome: Equatable {
    var events: [MessageEvent] = []
    var violation: ProtocolViolation?
}

extension MessageAssembler {
    /// Feeds the next piece of a stream.
    mutating func feed(_ bytes: some Collection<UInt8>, into outcome: inout Outcome) {
        do {
            try Array(bytes).withUnsafeBufferPointer { (buffer) throws(ProtocolViolation) in
                try receive(UnsafeRawBufferPointer(buffer), into: &outcome.events)
            }
        } catch {
            outcome.violation = error
        }
    }
}

/// What a stream brings in one read.
func outcome(
    of bytes: [UInt8], for role: Role = .client, limit: Int = 1 << 20, acceptsCompressed: Bool = false
) -> Outcome {
    var assembler = MessageAssembler(role: role, messageLimit: limit, acceptsCompressed: acceptsCompressed)
    var outcome = Outcome()
    assembler.feed(bytes, into: &outcome)
    return outcome
}

/// What a stream brings when reads end at random places, until its first violation.
func outcome(
    of bytes: [UInt8], for role: Role, limit: Int = 1 << 20, acceptsCompressed: Bool = false,
    cutBy random: inout RandomSource
) -> Outcome {
    var assembler = MessageAssembler(role: role, messageLimit: limit, acceptsCompressed: acceptsCompressed)
    var outcome = Outcome()
    var rest = bytes[...]
    while !rest.isEmpty, outcome.violation == nil {
        let count = min(rest.count, Int.random(in: 1...40, using: &random))
        assembler.feed(rest.prefix(count), into: &outcome)
        rest = rest.dropFirst(count)
    }
    return outcome
}

/// One frame.
func frame(
    _ opcode: Opcode, isFinal: Bool = true, isCompressed: Bool = false, _ payload: [UInt8], mask: MaskingKey? = nil
) -> [UInt8] {
    var bytes: [UInt8] = []
    FrameEncoder.frame(
        opcode, isFinal: isFinal, isCompressed: isCompressed, payload[...], mask: mask, into: &bytes)
    return bytes
}

/// One frame of text.
func frame(_ opcode: Opcode, isFinal: Bool = true, _ payload: String, mask: MaskingKey? = nil) -> [UInt8] {
    frame(opcode, isFinal: isFinal, Array(payload.utf8), mask: mask)
}

extension MessageEvent {
    /// A text message.
    static func text(_ text: String) -> MessageEvent { .text(Array(text.utf8)) }
}
