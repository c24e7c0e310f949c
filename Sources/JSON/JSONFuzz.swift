/// Reads bytes as JSON and stops the program when what was read contradicts itself; for fuzzers and property tests.
///
/// Refused bytes are fine. For accepted ones: every part read alone is the same value, and what the writer makes of the
/// parts means what was read.
/// - Returns: whether the bytes are JSON.
@discardableResult
package func fuzzJSON(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let text = Array(bytes)
    let view: JSONView
    do {
        view = try JSONView(parsing: text)
    } catch {
        precondition((0...text.count).contains(error.offset), "an error points outside its text: \(error)")
        return false
    }
    precondition(String(validating: view.bytes, as: UTF8.self) != nil, "accepted text is not UTF-8")
    var writer = JSONWriter()
    rewrite(view, with: &writer)
    let copy = reread(writer.bytes)
    precondition(copy.structurallyEquals(view) && view.structurallyEquals(copy), "rewritten text means something else")
    return true
}

/// Writes a value from what its accessors say, checking each part on its way.
private func rewrite(_ view: JSONView, with writer: inout JSONWriter) {
    switch view.kind {
    case .null: writer.null()
    case .bool:
        guard let value = view.bool else { preconditionFailure("a boolean without value") }
        writer.bool(value)
    case .string:
        guard let value = view.string else { preconditionFailure("a string without text") }
        writer.string(value)
    case .number:
        rewriteNumber(view, with: &writer)
    case .array:
        writer.beginArray()
        for element in view.elements() {
            check(element, of: view)
            rewrite(element, with: &writer)
        }
        writer.endArray()
    case .object:
        writer.beginObject()
        for member in view.members() {
            check(member.value, of: view)
            precondition(view[member.key] != nil, "a key is not found again")
            writer.key(member.key)
            rewrite(member.value, with: &writer)
        }
        writer.endObject()
    }
}

private func rewriteNumber(_ view: JSONView, with writer: inout JSONWriter) {
    if let value = view.integer {
        writer.integer(value)
    } else if let value = view.unsigned {
        writer.unsigned(value)
    } else {
        if let value = view.double {
            var alone = JSONWriter()
            alone.double(value)
            precondition(reread(alone.bytes).double == value, "a double does not read back as itself")
        }
        writer.raw(view.bytes)
    }
}

private func check(_ part: JSONView, of whole: JSONView) {
    precondition(whole.range.lowerBound < part.range.lowerBound && part.range.upperBound < whole.range.upperBound)
    let alone = reread(Array(part.bytes))
    precondition(alone.kind == part.kind && alone.bytes == part.bytes, "a part read alone is another value")
}

private func reread(_ text: [UInt8]) -> JSONView {
    do {
        return try JSONView(parsing: text)
    } catch {
        preconditionFailure("text of ours is refused: \(error)")
    }
}
