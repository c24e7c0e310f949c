/// Which end of a connection this is; it decides whose frames are masked (RFC 6455 §5.3).
package enum Role: Sendable {
    /// Receives masked frames, sends them unmasked.
    case server
    /// Receives unmasked frames, sends them masked.
    case client
}
