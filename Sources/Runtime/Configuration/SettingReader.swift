import Model

/// Finds settings in the first layer that has them, and reads their values.
struct SettingReader {
    /// The first goes before the others.
    let layers: [SettingLayer]

    /// The values of a setting and where they stand.
    func values(_ key: SettingKey) -> (texts: [String], place: String)? {
        for layer in layers {
            if let texts = layer.values[key] { return (texts, layer.place) }
        }
        return nil
    }

    func text(_ key: SettingKey) -> String? { values(key)?.texts.first }

    func list(_ key: SettingKey) -> [String] { values(key)?.texts ?? [] }

    /// Reads one value; `expected` completes the sentence "must be …".
    func value<Value>(
        _ key: SettingKey, expected: String, _ read: (String) -> Value?
    ) throws(ConfigurationError) -> Value? {
        guard let (texts, place) = values(key), let text = texts.first else { return nil }
        guard let value = read(text) else {
            throw .invalid(key: key.rawValue, place: place, value: text, expected: expected)
        }
        return value
    }

    func number(_ key: SettingKey, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
        try value(key, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A number of which 0 stands for none: `.some(nil)`.
    func limit(_ key: SettingKey, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int?? {
        let words = "a whole number from \(range.lowerBound) to \(range.upperBound), or 0 for no limit"
        return try value(key, expected: words) { text in
            Int(text).flatMap { $0 == 0 || range.contains($0) ? .some($0 == 0 ? nil : $0) : nil }
        }
    }

    func seconds(_ key: SettingKey, in range: ClosedRange<Int>) throws(ConfigurationError) -> Duration? {
        try number(key, in: range).map { .seconds($0) }
    }

    func blocks(_ key: SettingKey) throws(ConfigurationError) -> [AddressBlock]? {
        guard let (texts, place) = values(key) else { return nil }
        var blocks: [AddressBlock] = []
        for text in texts {
            guard let block = AddressBlock(text) else {
                throw .invalid(
                    key: key.rawValue, place: place, value: text,
                    expected: "IP addresses, or blocks of them such as 10.0.0.0/8")
            }
            blocks.append(block)
        }
        return blocks
    }

    func flag(_ key: SettingKey) throws(ConfigurationError) -> Bool? {
        try value(key, expected: "true or false") { ["true": true, "false": false][$0.lowercased()] }
    }

    func endpoint(_ key: SettingKey, allowsAnyPort: Bool = false) throws(ConfigurationError) -> Endpoint? {
        try value(key, expected: Self.endpointWords) { text in
            Endpoint(text).flatMap { $0.port > 0 || allowsAnyPort ? $0 : nil }
        }
    }

    func endpoints(_ key: SettingKey) throws(ConfigurationError) -> [Endpoint] {
        guard let (texts, place) = values(key) else { return [] }
        var endpoints: [Endpoint] = []
        for text in texts {
            guard let endpoint = Endpoint(text), endpoint.port > 0 else {
                throw .invalid(key: key.rawValue, place: place, value: text, expected: Self.endpointWords)
            }
            endpoints.append(endpoint)
        }
        return endpoints
    }

    private static let endpointWords = "HOST:PORT with a port from 1 to 65535, an IPv6 address in brackets"
}
