/// One lexical token of a document (GraphQL October 2021 §2.1.6).
struct GraphQLToken: Equatable {
    enum Kind: Equatable {
        /// `! $ & ( ) ... : = @ [ ] { | }`
        case punctuator(String)
        case name(String)
        case int(String)
        case float(String)
        /// A string or a block string, with its escapes resolved and its indentation removed.
        case string(String)
        case end
    }

    let kind: Kind
    let location: GraphQLError.Location

    /// The token as a person reads it in a message.
    var words: String {
        switch kind {
        case .punctuator(let text): "\"\(text)\""
        case .name(let text): "Name \"\(text.prefix(64))\""
        case .int(let text), .float(let text): "number \(text.prefix(64))"
        case .string: "a string"
        case .end: "the end of the document"
        }
    }
}
