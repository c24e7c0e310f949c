import JSON

/// Reads text that the test says is JSON.
func json(_ text: String) throws(JSONError) -> JSONView { try JSONView(parsing: Array(text.utf8)) }

/// The error that text is refused with; nil when it is accepted.
func refusal(of bytes: [UInt8], depthLimit: Int = 64) -> JSONError? {
    do {
        _ = try JSONView(parsing: bytes, depthLimit: depthLimit)
        return nil
    } catch {
        return error
    }
}

/// The error that text is refused with; nil when it is accepted.
func refusal(of text: String) -> JSONError? { refusal(of: Array(text.utf8)) }

extension ArraySlice<UInt8> {
    /// The bytes read as UTF-8.
    var text: String { String(decoding: self, as: UTF8.self) }
}
