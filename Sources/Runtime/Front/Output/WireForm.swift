import Broker
import Dialects
import Model
import NIOCore
import WebSocket

/// A way in which the bytes of an event lie on the wire: receivers of one form share every frame.
package struct WireForm {
    /// A small number for each form that a loop has met.
    package typealias Index = UInt8

    let encoding: EventEncoding

    /// Whether two connections get the same bytes.
    func isSame(as other: WireForm) -> Bool { encoding == other.encoding }

    /// A number that means this form on every loop of the node.
    var key: UInt16 { UInt16(encoding.id) }

    /// The complete frame of an event.
    func frame(of item: Sequenced) -> ByteBuffer { textFrame(encoding.encode(item)) }
}

/// A final, unmasked text frame.
func textFrame(_ text: [UInt8]) -> ByteBuffer { dataFrame(.text, text) }

/// A final, unmasked frame of text or binary data.
func dataFrame(_ opcode: Opcode, _ payload: [UInt8]) -> ByteBuffer {
    var header: [UInt8] = []
    header.reserveCapacity(FrameEncoder.longestHeader)
    FrameEncoder.header(opcode, payloadCount: payload.count, into: &header)
    var frame = ByteBufferAllocator().buffer(capacity: header.count + payload.count)
    frame.writeBytes(header)
    frame.writeBytes(payload)
    return frame
}
