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
    /// How far back compressed frames may refer; nil where compression was not agreed.
    let window: DeflateWindow?

    /// Whether two connections get the same bytes.
    func isSame(as other: WireForm) -> Bool { encoding == other.encoding && window == other.window }

    /// A number that means this form on every loop of the node.
    var key: UInt16 {
        let variant: UInt16 =
            switch window {
            case nil: 0
            case .standard: 1
            case .narrow: 2
            }
        return UInt16(encoding.id) << 2 | variant
    }
}
