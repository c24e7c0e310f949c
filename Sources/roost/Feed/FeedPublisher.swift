import JSON
import Model
import Synchronization

/// One row to be published.
struct FedRow: Sendable {
    let topic: TopicName
    let key: String
    /// The row as JSON; nil where it has ended.
    let value: [UInt8]?
    /// By which a node knows what was sent to it again.
    let messageID: String
}

/// Publishes rows to the first node that takes them, and waits until all are acknowledged.
struct FeedPublisher: Sendable {
    let addresses: [ServerAddress]
    let token: String?
    let acknowledgement: String

    /// The most bytes of a row's JSON, which is less than a node's default limit of a message.
    static let rowLimit = 1_000_000

    /// - Throws: `.unreachable` where no node took all of them; to send the same again is safe.
    func publish(_ rows: [FedRow]) async throws(CommandFailure) {
        var failure = CommandFailure.unreachable("no address was given")
        for address in addresses {
            do throws(CommandFailure) {
                return try await publish(rows, at: address)
            } catch {
                guard case .unreachable = error else { throw error }
                failure = error
            }
        }
        throw failure
    }

    private func publish(_ rows: [FedRow], at address: ServerAddress) async throws(CommandFailure) {
        var answered = 0
        do {
            try await LiveConnection.run(address, token: token) { connection in
                for (number, row) in rows.enumerated() { try await connection.send(request(number, row)) }
            } receive: { _, text in
                do throws(CommandFailure) {
                    guard case .response = try LiveRequest.read(text) else { return true }
                } catch {
                    switch error {
                    // What has ended is not there: it was ended before, or was never told.
                    case .refused(code: "ROW_NOT_FOUND", _): break
                    // Another node may do better, and later this one.
                    case .refused(let code, let message) where ["INTERNAL_ERROR", "NOT_REPLICATED", "RATE_LIMIT_EXCEEDED"].contains(code):
                        throw CommandFailure.unreachable("\(address): \(code): \(message)")
                    default: throw error
                    }
                }
                answered += 1
                return answered < rows.count
            }
        } catch let error as CommandFailure {
            throw error
        } catch let error as LiveConnection.Ended {
            throw .unreachable("\(address) closed the connection: \(error.reason)")
        } catch {
            throw .unreachable("\(address): \(reason(of: error))")
        }
    }

    private func request(_ number: Int, _ row: FedRow) -> [UInt8] {
        LiveRequest.text(id: number, "publish") { writer in
            for (name, value): (StaticString, String) in [
                ("topicName", row.topic.text), ("key", row.key), ("messageId", row.messageID), ("ack", acknowledgement),
                ("source", "database"),
            ] {
                writer.key(name)
                writer.string(value)
            }
            writer.key("message")
            if let value = row.value { writer.raw(value) } else { writer.null() }
        }
    }
}
