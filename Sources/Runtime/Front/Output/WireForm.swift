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
    let framing: Framing

    /// What lies around the encoded event.
    enum Framing: Equatable {
        /// A WebSocket frame; `window` says how far back compressed ones may refer, nil where compression was not agreed.
        case frame(window: DeflateWindow?)
        /// Nothing: it is the body of a message to which each receiver's own ending is added.
        case body
    }

    /// The form of a WebSocket.
    static func frames(_ encoding: EventEncoding, window: DeflateWindow?) -> WireForm {
        WireForm(encoding: encoding, framing: .frame(window: window))
    }

    /// Whether what is written differs from receiver to receiver.
    var isPersonal: Bool { framing == .body }

    /// Whether two connections get the same bytes.
    func isSame(as other: WireForm) -> Bool { encoding == other.encoding && framing == other.framing }

    /// A number that means this form on every loop of the node.
    var key: UInt16 {
        let variant: UInt16 =
            switch framing {
            case .frame(nil): 0
            case .frame(.standard): 1
            case .frame(.narrow): 2
            case .body: 3
            }
        return UInt16(encoding.id) << 2 | variant
    }
}
