import Broker
import Hummingbird
import HummingbirdCore
import JSON
import Model

/// Backups by HTTP: begun, read file by file in parts, and ended. For admins.
struct BackupDoor: Sendable {
    let services: any NodeServices
    let principal: @Sendable (Request) -> Result<Principal, Refusal>

    init(services: any NodeServices, principal: @escaping @Sendable (Request) -> Result<Principal, Refusal>) {
        self.services = services
        self.principal = principal
    }

    func addRoutes(to router: Router<RoostContext>) {
        router.post("/api/v1/backups") { request, _ in await answer(request) { try await begin() } }
        router.get("/api/v1/backups/:id/:file") { request, context in
            await answer(request) { try await read(request, context) }
        }
        router.delete("/api/v1/backups/:id") { request, context in
            await answer(request) { try await end(context) }
        }
    }

    private func answer(_ request: Request, _ body: () async throws -> Response) async -> Response {
        do {
            let principal = try principal(request).get()
            guard principal.roles.contains(AccessPolicy.admin), principal.narrowing == nil else {
                throw Refusal.permissionDenied(action: "back up", topic: "#")
            }
            return try await body()
        } catch let refusal as Refusal {
            return .refusal(refusal)
        } catch {
            return .refusal(.internal("the request could not be read"))
        }
    }

    private func begin() async throws -> Response {
        let backup = try await services.beginBackup().get()
        return .success(.created) { $0.backup(backup) }
    }

    private func read(_ request: Request, _ context: RoostContext) async throws -> Response {
        let id = context.parameters.get("id") ?? ""
        let file = context.parameters.get("file") ?? ""
        guard let offset = Int(request.query("offset") ?? "0"), let count = Int(request.query("count") ?? "1048576")
        else { throw Refusal.invalidMessage("offset and count are whole numbers") }
        let bytes = try await services.readBackup(id, file: file, at: offset, count: count).get()
        return .content(.ok, bytes, type: "application/octet-stream")
    }

    private func end(_ context: RoostContext) async throws -> Response {
        let id = context.parameters.get("id") ?? ""
        guard await services.endBackup(id) else {
            throw Refusal.invalidMessage("no backup under way has this id")
        }
        return .success { writer in
            writer.beginObject()
            writer.key("ended")
            writer.string(id)
            writer.endObject()
        }
    }
}

extension JSONWriter {
    /// What a backup holds.
    mutating func backup(_ backup: BackupDescription) {
        beginObject()
        key("version")
        unsigned(1)
        key("id")
        string(backup.id)
        key("cluster")
        string(backup.identity.cluster)
        key("node")
        string(backup.identity.id.description)
        key("name")
        string(backup.identity.name)
        key("epoch")
        string(hexadecimal(backup.epoch.rawValue, digits: 16))
        key("taken_at")
        string(text(of: backup.takenAt))
        key("sequence")
        unsigned(backup.listing.sequence)
        key("files")
        beginArray()
        for file in backup.listing.files {
            beginObject()
            key("name")
            string(file.name)
            key("size")
            unsigned(UInt64(file.size))
            endObject()
        }
        endArray()
        endObject()
    }
}
