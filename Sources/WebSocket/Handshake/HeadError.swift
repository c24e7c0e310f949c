/// Why bytes are not the head of an HTTP/1 message.
package enum HeadError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The empty line has not come within the limit.
    case tooLarge(limit: Int)
    /// The first line is not a request's, or not a response's.
    case startLineInvalid
    /// A header line has no name, or a byte that may not stand there; counted from 1 behind the first line.
    case fieldInvalid(line: Int)

    /// A phrase for logs and answers.
    package var description: String {
        switch self {
        case .tooLarge(let limit): "the head has more than \(limit) bytes"
        case .startLineInvalid: "the first line is not one of HTTP/1"
        case .fieldInvalid(let line): "header line \(line) is not valid"
        }
    }
}
