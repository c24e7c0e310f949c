import JSON
import Model

/// A value in a row, or one that a parameter stands for.
package enum QueryValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    /// An object or array of a message, as it was sent.
    case json([UInt8])
    case blob([UInt8])

    /// What SQL makes of a JSON value: true and false are 1 and 0, objects and arrays are text.
    package init(_ view: JSONView) {
        switch view.kind {
        case .null: self = .null
        case .bool: self = .integer(view.bool == true ? 1 : 0)
        case .number:
            if let integer = view.integer { self = .integer(integer) } else { self = .real(view.double ?? .infinity) }
        case .string: self = .text(view.string ?? "")
        case .object, .array: self = .json(Array(view.bytes))
        }
    }

    /// About how many bytes it takes.
    package var size: Int {
        switch self {
        case .null, .integer, .real: 8
        case .text(let text): text.utf8.count
        case .json(let bytes), .blob(let bytes): bytes.count
        }
    }
}

extension JSONWriter {
    /// Writes a value as JSON: an infinity as null, bytes in base64.
    package mutating func value(_ value: QueryValue) {
        switch value {
        case .null: null()
        case .integer(let integer): self.integer(integer)
        case .real(let real): double(real)
        case .text(let text): string(text)
        case .json(let bytes): raw(bytes)
        case .blob(let bytes): string(base64Encode(bytes))
        }
    }
}
