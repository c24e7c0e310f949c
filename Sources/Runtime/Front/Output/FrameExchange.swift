import Model
import NIOCore
import Synchronization

/// The newest frames of a node, so that a message is encoded by the first loop that needs it and not by each.
///
/// A frame is found by its message's local sequence and its form. The table has a fixed number of places; a newer message
/// takes the place of an older one, which a loop that comes late encodes again.
package final class FrameExchange: Sendable {
    /// How many messages' frames are kept.
    static let placeCount = 128
    /// The longest frame that is kept, in bytes; so 8 MiB at most are held. A longer one is encoded by each loop.
    static let frameLimit = 65_536

    private let places: [Place]
    private let isShared: Bool

    private final class Place: Sendable {
        let held = Mutex<(sequence: UInt64, form: UInt16, frame: ByteBuffer)?>(nil)
    }

    /// - Parameter loops: how many loops the node has; a single one shares with nobody.
    package init(loops: Int) {
        isShared = loops > 1
        places = isShared ? (0..<Self.placeCount).map { _ in Place() } : []
    }

    /// Messages that follow one another lie side by side, and the forms of one message far from each other, so that neither
    /// takes the other's place.
    private static func place(of sequence: UInt64, _ form: UInt16) -> Int {
        Int((sequence &+ UInt64(form) &* 43) % UInt64(placeCount))
    }

    /// The frame of a message in a form, made by `encode` unless another loop has.
    ///
    /// A loop that asks while another encodes the same waits for it.
    func frame(of sequence: UInt64, form: UInt16, encode: () -> ByteBuffer) -> ByteBuffer {
        guard isShared else { return encode() }
        return places[Self.place(of: sequence, form)].held.withLock { held in
            if let held, held.sequence == sequence, held.form == form { return held.frame }
            let frame = encode()
            if frame.readableBytes <= Self.frameLimit { held = (sequence, form, frame) }
            return frame
        }
    }
}
