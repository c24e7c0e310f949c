import JSON

/// Turns what a client gave into values of the schema's input types (GraphQL October 2021 §3.5–3.12, 6.1.2, 6.4.1).
struct GraphQLCoercion {
    let schema: GraphQLSchema

    /// Values by the names of variables or arguments.
    typealias Values = [String: GraphQLValue]

    // MARK: Variables

    /// The variables of an operation; one that was neither given nor has a default is missing.
    func variables(
        _ definitions: [GraphQLDocument.VariableDefinition], given: JSONView?
    ) throws(GraphQLError) -> Values {
        var values: Values = [:]
        for definition in definitions {
            if let view = given?[definition.name] {
                do throws(Mismatch) {
                    values[definition.name] = try value(view, as: definition.type)
                } catch {
                    throw GraphQLError(
                        "Variable \"$\(definition.name)\" got invalid value: \(error.words)", at: definition.location,
                        code: Self.code)
                }
            } else if let defaultValue = definition.defaultValue {
                values[definition.name] = try literal(
                    defaultValue, as: definition.type, variables: [:], at: definition.location)
            } else if definition.type.isNonNull {
                throw GraphQLError(
                    "Variable \"$\(definition.name)\" of required type \"\(definition.type)\" was not provided.",
                    at: definition.location, code: Self.code)
            }
        }
        return values
    }

    /// What is wrong with a value, in words.
    struct Mismatch: Error {
        let words: String
    }

    private static let code = "INVALID_MESSAGE"

    private func value(_ view: JSONView, as type: GraphQLTypeReference) throws(Mismatch) -> GraphQLValue {
        switch type {
        case .nonNull(let inner):
            guard !view.isNull else { throw Mismatch(words: "expected non-nullable type \"\(type)\" not to be null") }
            return try value(view, as: inner)
        case _ where view.isNull: return .null
        case .list(let item):
            guard view.kind == .array else { return .list([try value(view, as: item)]) }
            var items: [GraphQLValue] = []
            for element in view.elements() { items.append(try value(element, as: item)) }
            return .list(items)
        case .named(let name):
            guard let type = schema[name] else { throw Mismatch(words: "unknown type \"\(name)\"") }
            return try value(view, as: type)
        }
    }

    private func value(_ view: JSONView, as type: GraphQLType) throws(Mismatch) -> GraphQLValue {
        switch type.kind {
        case .scalar:
            if type.name == "JSON" { return .json(Array(view.bytes)) }
            guard let value = scalar(view), let coerced = coerced(value, type.name) else {
                throw Mismatch(words: "\(type.name) cannot represent \(String(decoding: view.bytes.prefix(64), as: UTF8.self))")
            }
            return coerced
        case .enumeration(let values):
            guard let name = view.string, values.contains(where: { $0.name == name }) else {
                throw Mismatch(words: "\(type.name) must be one of \(values.map(\.name).joined(separator: ", "))")
            }
            return .enumeration(name)
        case .input(let fields):
            guard view.kind == .object else { throw Mismatch(words: "expected type \"\(type.name)\" to be an object") }
            let members: [(key: String, value: JSONView)]
            do { members = try view.uniqueMembers() } catch { throw Mismatch(words: "\(error)") }
            var given: [(String, GraphQLValue)] = []
            for (key, member) in members {
                guard let field = fields.first(where: { $0.name == key }) else {
                    throw Mismatch(words: "field \"\(key.prefix(64))\" is not defined by type \"\(type.name)\"")
                }
                given.append((key, try value(member, as: field.type)))
            }
            return .object(try completed(given, fields, type.name))
        case .object: throw Mismatch(words: "\"\(type.name)\" is no input type")
        }
    }

    private func scalar(_ view: JSONView) -> GraphQLValue? {
        switch view.kind {
        case .bool: .bool(view.bool == true)
        case .string: .string(view.string ?? "")
        case .number:
            view.integer != nil || view.unsigned != nil
                ? .int(String(decoding: view.bytes, as: UTF8.self)) : .float(String(decoding: view.bytes, as: UTF8.self))
        case .object, .array, .null: nil
        }
    }

    private func completed(
        _ given: [(String, GraphQLValue)], _ fields: [GraphQLType.InputValue], _ type: String
    ) throws(Mismatch) -> [GraphQLValue.Member] {
        var members: [GraphQLValue.Member] = []
        for field in fields {
            if let value = given.first(where: { $0.0 == field.name })?.1 {
                members.append(GraphQLValue.Member(name: field.name, value: value))
            } else if let value = field.defaultValue {
                members.append(GraphQLValue.Member(name: field.name, value: value))
            } else if field.type.isNonNull {
                throw Mismatch(words: "field \"\(field.name)\" of type \"\(type)\" is required")
            }
        }
        return members
    }

    // MARK: Literals

    /// The arguments of a field or directive; one that was neither given nor has a default is missing.
    func arguments(
        _ definitions: [GraphQLType.InputValue], given: [GraphQLDocument.Argument], variables: Values,
        at location: GraphQLError.Location
    ) throws(GraphQLError) -> Values {
        var values: Values = [:]
        for definition in definitions {
            let argument = given.first { $0.name == definition.name }
            var value = argument?.value
            if case .variable(let name) = value, variables[name] == nil { value = nil }
            guard let value else {
                if let defaultValue = definition.defaultValue {
                    values[definition.name] = defaultValue
                } else if definition.type.isNonNull {
                    throw GraphQLError(
                        "Argument \"\(definition.name)\" of required type \"\(definition.type)\" was not provided.",
                        at: location, code: Self.code)
                }
                continue
            }
            values[definition.name] = try literal(
                value, as: definition.type, variables: variables, at: argument?.location ?? location)
        }
        return values
    }

    /// A value that stands in the document.
    ///
    /// - Parameter variables: nil while only the document is checked: a variable then fits wherever it may stand.
    func literal(
        _ value: GraphQLValue, as type: GraphQLTypeReference, variables: Values?, at location: GraphQLError.Location
    ) throws(GraphQLError) -> GraphQLValue {
        do throws(Mismatch) {
            return try literal(value, as: type, variables)
        } catch {
            throw GraphQLError(error.words, at: location, code: "GRAPHQL_VALIDATION_FAILED")
        }
    }

    private func literal(
        _ value: GraphQLValue, as type: GraphQLTypeReference, _ variables: Values?
    ) throws(Mismatch) -> GraphQLValue {
        if case .variable(let name) = value {
            guard let variables else { return .null }
            let given = variables[name] ?? .null
            if type.isNonNull, given == .null {
                throw Mismatch(words: "variable \"$\(name)\" must not be null where \"\(type)\" is expected")
            }
            guard type.nullable == .named("JSON"), given != .null else { return given }
            if case .json = given { return given }
            var writer = JSONWriter()
            try write(given, nil, to: &writer)
            return .json(writer.bytes)
        }
        switch type {
        case .nonNull(let inner):
            guard value != .null else { throw Mismatch(words: "Expected value of type \"\(type)\", found null.") }
            return try literal(value, as: inner, variables)
        case _ where value == .null: return .null
        case .list(let item):
            guard case .list(let elements) = value else { return .list([try literal(value, as: item, variables)]) }
            var items: [GraphQLValue] = []
            for element in elements { items.append(try literal(element, as: item, variables)) }
            return .list(items)
        case .named(let name):
            guard let type = schema[name] else { throw Mismatch(words: "Unknown type \"\(name)\".") }
            return try literal(value, as: type, variables)
        }
    }

    private func literal(_ value: GraphQLValue, as type: GraphQLType, _ variables: Values?) throws(Mismatch) -> GraphQLValue {
        switch type.kind {
        case .scalar:
            if type.name == "JSON" {
                var writer = JSONWriter()
                try write(value, variables, to: &writer)
                return .json(writer.bytes)
            }
            guard let coerced = coerced(value, type.name) else {
                throw Mismatch(words: "\(type.name) cannot represent \(value.words)")
            }
            return coerced
        case .enumeration(let values):
            guard case .enumeration(let name) = value, values.contains(where: { $0.name == name }) else {
                let names = values.map(\.name).joined(separator: ", ")
                throw Mismatch(words: "Value \(value.words) does not exist in \"\(type.name)\" enum: it has \(names)")
            }
            return value
        case .input(let fields):
            guard case .object(let members) = value else {
                throw Mismatch(words: "Expected value of type \"\(type.name)\", found \(value.words).")
            }
            var given: [(String, GraphQLValue)] = []
            for member in members {
                guard let field = fields.first(where: { $0.name == member.name }) else {
                    throw Mismatch(words: "Field \"\(member.name)\" is not defined by type \"\(type.name)\".")
                }
                guard !given.contains(where: { $0.0 == member.name }) else {
                    throw Mismatch(words: "There can be only one input field named \"\(member.name)\".")
                }
                if case .variable(let name) = member.value, let variables, variables[name] == nil { continue }
                given.append((member.name, try literal(member.value, as: field.type, variables)))
            }
            return .object(try completed(given, fields, type.name))
        case .object: throw Mismatch(words: "\"\(type.name)\" is no input type")
        }
    }

    /// A value of a scalar type; nil where it is none (§3.5).
    private func coerced(_ value: GraphQLValue, _ type: String) -> GraphQLValue? {
        switch (type, value) {
        case ("Boolean", .bool), ("String", .string), ("ID", .string): value
        case ("ID", .int(let text)): .string(text)
        case ("Int", .int(let text)): Int32(text) == nil ? nil : value
        case ("Float", .int(let text)), ("Float", .float(let text)): Double(text)?.isFinite == true ? value : nil
        case ("Long", .int(let text)): UInt64(text) == nil ? nil : value
        case ("Long", .string(let text)): UInt64(text) == nil ? nil : .int(text)
        case ("DateTime", .string(let text)): Timestamp.time(text) == nil ? nil : value
        default: nil
        }
    }

    /// Writes a literal as JSON, for scalars that take any.
    private func write(_ value: GraphQLValue, _ variables: Values?, to writer: inout JSONWriter) throws(Mismatch) {
        switch value {
        case .null: writer.null()
        case .bool(let value): writer.bool(value)
        case .int(let text), .float(let text): writer.raw(Array(text.utf8))
        case .string(let text), .enumeration(let text): writer.string(text)
        case .json(let text): writer.raw(text)
        case .variable(let name): try write(variables?[name] ?? .null, nil, to: &writer)
        case .list(let items):
            writer.beginArray()
            for item in items { try write(item, variables, to: &writer) }
            writer.endArray()
        case .object(let members):
            writer.beginObject()
            var names: Set<String> = []
            for member in members {
                guard names.insert(member.name).inserted else {
                    throw Mismatch(words: "\"\(member.name)\" stands twice in an object")
                }
                writer.key(member.name)
                try write(member.value, variables, to: &writer)
            }
            writer.endObject()
        }
    }
}
