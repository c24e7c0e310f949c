/// A dictionary that most often has one entry, which it keeps without an allocation; a second one goes to a dictionary.
///
/// Most clients follow one topic, and a dictionary of one entry costs more memory than all else that a session has.
struct FewDictionary<Key: Hashable, Value> {
    private var first: (key: Key, value: Value)?
    private var others: [Key: Value] = [:]

    var count: Int { others.count + (first == nil ? 0 : 1) }

    /// The keys, in no order.
    var keys: [Key] { (first.map { [$0.key] } ?? []) + others.keys }

    subscript(key: Key) -> Value? {
        get {
            if let first, first.key == key { return first.value }
            return others.isEmpty ? nil : others[key]
        }
        _modify {
            if let entry = first, entry.key == key {
                // The place lets go of the value, so that it is changed in place.
                first = nil
                var value: Value? = entry.value
                defer { if let value { first = (key, value) } }
                yield &value
            } else if first == nil, others.isEmpty {
                var value: Value?
                defer { if let value { first = (key, value) } }
                yield &value
            } else {
                yield &others[key]
            }
        }
    }

    /// Sets a value; gives the one that was there.
    mutating func updateValue(_ value: Value, forKey key: Key) -> Value? {
        let replaced = self[key]
        self[key] = value
        return replaced
    }

    /// Removes an entry; gives its value.
    mutating func removeValue(forKey key: Key) -> Value? {
        let removed = self[key]
        if removed != nil { self[key] = nil }
        return removed
    }
}
