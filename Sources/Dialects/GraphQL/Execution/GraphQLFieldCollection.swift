/// Which fields of an object a request selects, in the order of its response (GraphQL October 2021 §6.3.2).
struct GraphQLFieldCollection {
    let document: GraphQLDocument
    let variables: GraphQLCoercion.Values

    /// The fields of one response key; the first says what is asked, all say what is selected from it.
    struct Group {
        let key: String
        var fields: [GraphQLDocument.Field]

        var first: GraphQLDocument.Field { fields[0] }

        var selections: [[GraphQLDocument.Selection]] { fields.map(\.selections) }
    }

    /// Collects from several sets that are merged.
    func groups(of sets: [[GraphQLDocument.Selection]], on type: String) -> [Group] {
        var groups: [Group] = []
        var places: [String: Int] = [:]
        var spread: Set<String> = []
        for set in sets { collect(set, type, &groups, &places, &spread) }
        return groups
    }

    private func collect(
        _ selections: [GraphQLDocument.Selection], _ type: String, _ groups: inout [Group],
        _ places: inout [String: Int], _ spread: inout Set<String>
    ) {
        for selection in selections {
            switch selection {
            case .field(let field):
                guard isIncluded(field.directives) else { continue }
                if let place = places[field.responseKey] {
                    groups[place].fields.append(field)
                } else {
                    places[field.responseKey] = groups.count
                    groups.append(Group(key: field.responseKey, fields: [field]))
                }
            case .spread(let name, let directives, _):
                guard isIncluded(directives), spread.insert(name).inserted, let fragment = document.fragments[name],
                    fragment.typeCondition == type
                else { continue }
                collect(fragment.selections, type, &groups, &places, &spread)
            case .inline(let condition, let directives, let inner, _):
                guard isIncluded(directives), condition == nil || condition == type else { continue }
                collect(inner, type, &groups, &places, &spread)
            }
        }
    }

    /// `@skip` and `@include` (§3.13.1, 3.13.2); what was validated has a boolean in each.
    private func isIncluded(_ directives: [GraphQLDocument.Directive]) -> Bool {
        directives.allSatisfy { directive in
            var value = directive.arguments.first { $0.name == "if" }?.value
            if case .variable(let name) = value { value = variables[name] }
            return value == .bool(directive.name == "include")
        }
    }
}
