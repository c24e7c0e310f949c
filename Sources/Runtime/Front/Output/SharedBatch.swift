import Broker
import NIOCore

/// The frames that one tick has for everybody on one list, one after another, once for each wire form.
///
/// As long as a tick writes to one list only, its receivers need no queue of their own: each is handed the same bytes in
/// one `send`. A connection that is written something else in between is taken *apart*: it has been given what there was
/// until then, and gets what follows one by one, so that it sees everything in the order in which it was written.
struct SharedBatch {
    /// Beyond so many bytes a batch is sent before the tick ends.
    static let byteLimit = 131_072

    let list: ListID
    /// A number that no other batch of the loop has.
    let number: UInt64
    private(set) var frameCount = 0
    private(set) var byteCount = 0
    /// By wire form; nil where nobody takes it.
    private var bytes: [ByteBuffer?] = []
    /// Who is on the list and no longer served by this batch.
    private(set) var apart: [ConnectionID] = []

    init(list: ListID, number: UInt64) {
        self.list = list
        self.number = number
    }

    /// All frames so far in a form.
    func bytes(in form: WireForm.Index) -> ByteBuffer? {
        Int(form) < bytes.count ? bytes[Int(form)] : nil
    }

    /// Adds one message's frame in one form.
    mutating func append(_ frame: ByteBuffer, in form: WireForm.Index) {
        while bytes.count <= Int(form) { bytes.append(nil) }
        byteCount += frame.readableBytes
        guard var together = bytes[Int(form)] else {
            bytes[Int(form)] = frame
            return
        }
        bytes[Int(form)] = nil
        if together.writableBytes < frame.readableBytes {
            together.reserveCapacity(minimumWritableBytes: max(together.readableBytes, frame.readableBytes))
        }
        together.writeImmutableBuffer(frame)
        bytes[Int(form)] = together
    }

    /// Notes that one more message is in every form.
    mutating func countFrame() { frameCount += 1 }

    mutating func takeApart(_ connection: ConnectionID) { apart.append(connection) }

    mutating func forget(_ connection: ConnectionID) { apart.removeAll { $0 == connection } }
}
