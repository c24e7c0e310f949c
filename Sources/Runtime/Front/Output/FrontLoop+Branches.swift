import Broker
import Dialects
import Model
import NIOCore
import WebSocket

// What reaches branches. Each is told which of its client's subscriptions an event is for, so its frames are its own: the
// body is written once for each message, and a frame once for each different surrounding.
extension FrontLoop {
    /// What stands for a branch where receivers have the form in which they take events.
    static var branchForm: WireForm.Index { .max }

    /// Writes one message to the branches on a list.
    func writeToBranches(_ item: Sequenced, of members: Hub.List) {
        var bodies: [BranchBody: [UInt8]] = [:]
        var frames: [BranchFrame: ByteBuffer] = [:]
        for (index, connection) in members.connections.enumerated() where members.forms[index] == Self.branchForm {
            guard case .branch(let client, let branch) = occupant(connection), let form = client.form(of: branch) else {
                continue
            }
            let place = BranchFrame(form: form, window: client.window)
            if let frame = frames[place] {
                client.enqueue(frame)
                continue
            }
            let body: [UInt8]
            if let known = bodies[form.body] {
                body = known
            } else {
                counters.encodings += 1
                body = form.body.encode(item)
                bodies[form.body] = body
            }
            let frame = compressor.frame(
                .text, form.text(around: body), window: client.window, counting: &counters)
            frames[place] = frame
            client.enqueue(frame)
        }
    }
}

/// What two branches must have in common to be given the same bytes.
private struct BranchFrame: Hashable {
    let form: BranchForm
    let window: DeflateWindow?
}
