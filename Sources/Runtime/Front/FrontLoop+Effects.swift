import Broker
import Dialects
import Model
import NIOCore

extension FrontLoop {
    /// Does what the shard wants.
    func carryOut(_ effect: ShardEffect) {
        switch effect {
        case .reply(let connection, let reference, let reply): self.reply(connection, reference, reply)
        case .notify(let connection, let notice): notify(notice, connection)
        case .join(let list, let connection): join(list, connection)
        case .leave(let list, let connection): leave(list, connection)
        case .dropList(let list): dropList(list)
        case .fanOut(let list, let message): fanOut(message, to: list)
        case .fanOutGap(let list, let topic, let gap): notify(.gap(topic, gap), list)
        case .fanOutCursor(let list, let topic, let cursor): notify(.cursor(topic, cursor), list)
        case .verify(let connection, let reference, let token):
            verified(connection, reference, authentication.verifier.verify(token, at: settings.clock().wall))
        case .read(let id, let read):
            services.read(read) { [port] result in port.run { $0.page(id, result) } }
        case .describe(let id, let topic):
            services.describe(topic) { [port] result in port.run { $0.described(id, result) } }
        case .query(let id, let task):
            queries[id] = services.query(task) { [port] result in port.run { $0.queried(id, result) } }
        case .resumeQuery(let id): queries[id]?.resume()
        case .cancelQuery(let id): queries.removeValue(forKey: id)?.cancel()
        case .report(let id):
            services.report { [port] result in port.run { $0.reported(id, result) } }
        case .interest(let id, let added, let removed):
            services.announceInterest(loop: index, added: added, removed: removed) { [port] in
                port.run { $0.interestConfirmed(id) }
            }
        case .announce(let changes): services.announce(changes)
        case .confirmAnnouncements(let id):
            services.confirmAnnouncements(loop: index) { [port] in port.run { $0.interestConfirmed(id) } }
        case .errand(let errand, let node, let loop): services.carry(errand, to: node, loop: loop, from: index)
        case .presence(let id, let topic, let limit):
            services.presence(of: topic, limit: limit) { [port] result in port.run { $0.presenceListed(id, result) } }
        case .hold(let connection): client(connection)?.hold()
        case .release(let connection): client(connection)?.release()
        case .close(let connection, let code, let reason): close(connection, code, reason)
        }
    }

    private func notify(_ notice: Notice, _ list: ListID) {
        for connection in hub.members(of: list)?.connections ?? [] { notify(notice, connection) }
    }

    private func notify(_ notice: Notice, _ connection: ConnectionID) {
        switch occupant(connection) {
        case .client(let client): client.notify(notice)
        case .branch(let client, let branch): client.notify(notice, on: branch)
        case .caller, nil: break
        }
    }

    func client(_ connection: ConnectionID) -> ClientConnection? {
        guard case .client(let client) = occupant(connection) else { return nil }
        return client
    }

    private func reply(_ connection: ConnectionID, _ reference: RequestReference, _ reply: Reply) {
        switch occupant(connection) {
        case .client(let client): client.reply(reply, to: reference)
        case .branch(let client, _): client.reply(reply, to: reference)
        case .caller(let caller):
            if caller.take(reply, to: reference) { finish(caller, connection) }
        case nil: break
        }
    }

    private func close(_ connection: ConnectionID, _ code: UInt16, _ reason: String) {
        switch occupant(connection) {
        case .client(let client): client.close(code: code, reason)
        case .branch(let client, _): client.close(code: code, reason)
        case .caller(let caller):
            _ = caller.take(.refused(.internal("the session was closed: \(reason)")), to: nil)
            finish(caller, connection)
        case nil: break
        }
    }

    private func finish(_ caller: Caller, _ connection: ConnectionID) {
        caller.finish()
        // Not now: the shard's remaining effects may still name the connection.
        port.run { $0.closed(connection) }
    }
}
