import Yams

/// The settings of one source: flags, the environment or a file.
package struct SettingLayer: Sendable {
    /// Where a value stands, for errors: `roost.yaml`, `the environment`, `the command line`.
    package let place: String
    /// Each setting's values: one, or those of a list.
    package private(set) var values: [SettingKey: [String]]
    /// The roles that a file defines: by name, the filters of each action.
    package private(set) var roles: [String: [String: [String]]] = [:]

    package init(place: String, values: [SettingKey: [String]]) {
        self.place = place
        self.values = values
    }

    /// Variables that are ours and no settings: those of the client commands.
    private static let clientVariables: Set = ["ROOST_URL", "ROOST_TOKEN", "ROOST_CONFIG"]

    /// Reads the environment.
    ///
    /// Kubernetes gives every container `NAME_SERVICE_…` and `NAME_PORT…` for each service, so a service called
    /// `roost` is
    /// not taken for unknown keys.
    package init(environment: [String: String]) throws(ConfigurationError) {
        self.init(place: "the environment", values: [:])
        let keys = Dictionary(uniqueKeysWithValues: SettingKey.allCases.map { ($0.variable, $0) })
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix("ROOST_") {
            if let key = keys[name] {
                values[key] = key.isList ? value.split(separator: ",").map(String.init) : [value]
                continue
            }
            if Self.clientVariables.contains(name) || name.hasPrefix("ROOST_SERVICE_") { continue }
            if name == "ROOST_PORT" || name.hasPrefix("ROOST_PORT_") { continue }
            throw .unknownKey(name, place: place, nearest: nearest(to: name, in: keys.keys.sorted()))
        }
    }

    /// Reads the text of a file.
    package init(yaml text: String, path: String) throws(ConfigurationError) {
        self.init(place: path, values: [:])
        let node: Yams.Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch {
            throw .fileInvalid(path: path, reason: "not YAML: \(error)")
        }
        guard let node, node != Yams.Node("") else { return }
        guard let mapping = node.mapping else {
            throw .fileInvalid(path: path, reason: "must be a mapping of keys to values")
        }
        try read(mapping, under: nil)
    }

    private mutating func read(_ mapping: Yams.Node.Mapping, under section: String?) throws(ConfigurationError) {
        for (name, value) in mapping {
            guard let name = name.string else { throw .fileInvalid(path: place, reason: "a key is no text") }
            let path = section.map { "\($0).\(name)" } ?? name
            if path == SettingKey.roles {
                try readRoles(value)
            } else if let key = SettingKey(rawValue: path) {
                values[key] = try texts(of: value, path, isList: key.isList)
            } else if section == nil, Self.sections.contains(name), let nested = value.mapping {
                try read(nested, under: name)
            } else {
                let known = SettingKey.allCases.map(\.rawValue) + [SettingKey.roles] + Self.sections.sorted()
                throw .unknownKey(path, place: place, nearest: nearest(to: path, in: known))
            }
        }
    }

    private static let sections = Set(
        SettingKey.allCases.compactMap { key in key.rawValue.firstIndex(of: ".").map { String(key.rawValue[..<$0]) } })

    private mutating func readRoles(_ node: Yams.Node) throws(ConfigurationError) {
        guard let mapping = node.mapping else {
            throw .fileInvalid(path: place, reason: "roles must be a mapping of role names to what they grant")
        }
        for (name, grants) in mapping {
            guard let role = name.string, let actions = grants.mapping else {
                throw .fileInvalid(
                    path: place, reason: "roles.\(name.string ?? "?") must be a mapping of actions to filters")
            }
            var filters: [String: [String]] = [:]
            for (action, value) in actions {
                let path = "roles.\(role).\(action.string ?? "?")"
                filters[action.string ?? "?"] = try texts(of: value, path, isList: true)
            }
            roles[role] = filters
        }
    }

    private func texts(of node: Yams.Node, _ path: String, isList: Bool) throws(ConfigurationError) -> [String] {
        if let text = node.scalar?.string { return [text] }
        guard isList, let sequence = node.sequence else {
            throw .fileInvalid(
                path: place, reason: "\(path) must be \(isList ? "a text or a list of texts" : "one value")")
        }
        var texts: [String] = []
        for element in sequence {
            guard let text = element.scalar?.string else {
                throw .fileInvalid(path: place, reason: "\(path) must be a list of texts")
            }
            texts.append(text)
        }
        return texts
    }
}

extension SettingKey {
    /// Whether it may have several values.
    package var isList: Bool {
        switch self {
        case .join, .clusterKeyFile, .authKeyFiles, .origins, .trustedProxies, .exemptAddresses: true
        default: false
        }
    }
}
