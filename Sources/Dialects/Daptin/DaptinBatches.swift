import Broker
import JSON
import Model

/// The batches of one conversation whose responses are not all there yet.
struct DaptinBatches {
    /// The most requests that a batch holds.
    static let limit = 1_000
    /// The most batches of a conversation that may wait for responses.
    static let openLimit = 64
    /// The most bytes that the responses of one batch may have together.
    static let byteLimit = 16 << 20

    private var batches: [UInt32: Batch] = [:]
    /// Which batch and which place in it a number means.
    private var places: [UInt32: (batch: UInt32, index: Int)] = [:]
    private var lastNumber: UInt32 = 0

    private struct Batch {
        let reference: RequestReference
        /// The responses of each request, in the order of the requests.
        var responses: [[[UInt8]]]
        /// How many responses each request still waits for.
        var missing: [Int]
        var waiting: Int
        var bytes = 0
    }

    /// The requests that a batch holds.
    func items(of message: DaptinMessage) throws(Refusal) -> [JSONView] {
        let messages = try DaptinFields(message.attributes, "messages")[0]
        guard let messages, messages.kind == .array else {
            throw .invalidMessage(
                "\"messages\" is \(messages?.kind.rawValue ?? "missing"); it must be an array of requests")
        }
        let items = messages.elements()
        guard items.count <= Self.limit else {
            throw .invalidMessage("\"messages\" holds \(items.count) requests; it may hold at most \(Self.limit)")
        }
        guard batches.count < Self.openLimit else { throw .rateLimited }
        return items
    }

    /// Opens a batch of requests that get so many replies each; gives the number of each request's place.
    mutating func open(_ reference: RequestReference, replies: [Int]) throws(Refusal) -> [UInt32] {
        let total = replies.reduce(0, +)
        guard total <= Self.limit * 10 else {
            throw .invalidMessage("the batch asks for \(total) responses; it may ask for at most \(Self.limit * 10)")
        }
        lastNumber &+= 1
        let batch = lastNumber
        batches[batch] = Batch(
            reference: reference, responses: Array(repeating: [], count: replies.count), missing: replies,
            waiting: total)
        return replies.indices.map { index in
            lastNumber &+= 1
            places[lastNumber] = (batch, index)
            return lastNumber
        }
    }

    /// Takes a response; gives the batch's own when it was the last.
    mutating func answer(_ place: UInt32, _ text: [UInt8]) -> [UInt8]? {
        guard let (number, index) = places[place], var batch = batches.removeValue(forKey: number) else { return nil }
        let isTooMuch = batch.bytes + text.count > Self.byteLimit
        let response = isTooMuch ? DaptinReplies.refusal(Self.tooMuch, to: batch.reference) : text
        batch.bytes += isTooMuch ? 0 : text.count
        batch.responses[index].append(response)
        batch.missing[index] -= 1
        batch.waiting -= 1
        if batch.missing[index] == 0 { places[place] = nil }
        guard batch.waiting == 0 else {
            batches[number] = batch
            return nil
        }
        return DaptinReplies.success(batch.reference) { writer in
            writer.beginArray()
            for response in batch.responses.joined() { writer.raw(response) }
            writer.endArray()
        }
    }

    private static let tooMuch = Refusal.internal(
        "the responses of the batch exceed \(byteLimit >> 20) MiB: this one is left out, its request was carried out"
    )
}
