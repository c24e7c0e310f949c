extension JSONView {
    /// The values of an array in order; empty for every other kind.
    ///
    /// Each takes 32 bytes, up to 16 times the text of an array of single digits.
    package func elements() -> [JSONView] {
        guard kind == .array else { return [] }
        return walk { walker in
            var elements: [JSONView] = []
            walker.enter()
            while let item = walker.nextElement() { elements.append(part(item)) }
            return elements
        }
    }

    /// The keys and values of an object as they were sent, duplicates included; empty for every other kind.
    package func members() -> [(key: String, value: JSONView)] {
        rawMembers().map { (String(decoding: $0.key, as: UTF8.self), $0.value) }
    }

    /// The keys and values of an object in which no key occurs twice.
    ///
    /// Nested objects are not looked into, so a payload inside may have what it likes.
    /// - Throws: ``JSONError/duplicateKey(_:offset:)``, or ``JSONError/wrongKind(found:expected:offset:)`` for another
    ///   kind.
    package func uniqueMembers() throws(JSONError) -> [(key: String, value: JSONView)] {
        try requireObject()
        let members = rawMembers()
        var seen = Set<ArraySlice<UInt8>>(minimumCapacity: members.count)
        for member in members where !seen.insert(member.key).inserted {
            throw .duplicateKey(String(decoding: member.key, as: UTF8.self), offset: member.offset)
        }
        return members.map { (String(decoding: $0.key, as: UTF8.self), $0.value) }
    }

    /// The first value under `key`, compared code point by code point; nil when there is none or this is no object.
    package subscript(key: String) -> JSONView? {
        guard kind == .object else { return nil }
        var key = key
        return key.withUTF8 { wanted in
            walk { walker in
                walker.enter()
                while let member = walker.nextMember() {
                    if matches(member, wanted, in: walker.base) { return part(member.value) }
                }
                return nil
            }
        }
    }

    /// The values under the few keys that a dialect acts upon, in the order of `names`, found in one pass.
    ///
    /// Keys that are not named are passed over, whatever they hold.
    /// - Throws: ``JSONError/duplicateKey(_:offset:)`` when a named key occurs twice, or
    ///   ``JSONError/wrongKind(found:expected:offset:)`` when this is no object.
    package func fields(_ names: [StaticString]) throws(JSONError) -> [JSONView?] {
        try requireObject()
        return try walk { (walker) throws(JSONError) -> [JSONView?] in
            var found = [JSONView?](repeating: nil, count: names.count)
            walker.enter()
            while let member = walker.nextMember() {
                for index in names.indices {
                    let isNamed = names[index].withUTF8Buffer { matches(member, $0, in: walker.base) }
                    guard isNamed else { continue }
                    guard found[index] == nil else {
                        throw .duplicateKey("\(names[index])", offset: member.key.lowerBound - 1)
                    }
                    found[index] = part(member.value)
                    break
                }
            }
            return found
        }
    }

    /// The members with their keys unescaped, as bytes, and where each key begins.
    ///
    /// Strings of Swift are equal when canonically equivalent, which JSON keys must not be.
    func rawMembers() -> [(key: ArraySlice<UInt8>, offset: Int, value: JSONView)] {
        guard kind == .object else { return [] }
        return walk { walker in
            var members: [(key: ArraySlice<UInt8>, offset: Int, value: JSONView)] = []
            walker.enter()
            while let member = walker.nextMember() {
                let key = member.keyIsEscaped ? unescaped(member.key) : text[member.key]
                members.append((key, member.key.lowerBound - 1, part(member.value)))
            }
            return members
        }
    }

    private func part(_ item: JSONWalker.Item) -> JSONView {
        JSONView(text: text, range: item.range, kind: item.kind)
    }

    private func requireObject() throws(JSONError) {
        guard kind == .object else { throw .wrongKind(found: kind, expected: .object, offset: range.lowerBound) }
    }

    @inline(__always)
    private func matches(
        _ member: JSONWalker.Member, _ wanted: UnsafeBufferPointer<UInt8>, in base: UnsafePointer<UInt8>
    ) -> Bool {
        if member.keyIsEscaped { return unescaped(member.key).elementsEqual(wanted) }
        guard member.key.count == wanted.count else { return false }
        for index in wanted.indices where wanted[index] != base[member.key.lowerBound &+ index] { return false }
        return true
    }
}
