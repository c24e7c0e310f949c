/// How much a client may ask for in one GraphQL request.
package struct GraphQLLimits: Sendable, Equatable {
    /// How deep selections may nest, fragments' included. Default 20, enough for the introspection that tools send.
    package var depth = 20
    /// The most that a request may come to: each field counts 1, one that asks the broker 10, and what stands below a list
    /// counts as often as the list may be long. Default 20,000.
    package var complexity = 20_000
    /// The most tokens of a document. Default 10,000.
    package var tokens = 10_000
    /// The most bytes that `data` may come to before it is given up. Default 8 MiB.
    package var resultBytes = 8 << 20

    package init() {}
}
