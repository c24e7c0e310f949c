import Broker
import Dispatch
import Model
import Synchronization

/// Checks passwords one after another on a thread of its own, since each takes 32 MiB and a good part of a second.
final class LoginDesk: Sendable {
    /// How many may wait; others are told to slow down.
    static let maximumWaiting = 32

    private let inUse: InUse<Authentication>
    private let queue = DispatchQueue(label: "roost.login")
    private let waiting = Atomic<Int>(0)

    init(authentication: InUse<Authentication>) {
        inUse = authentication
    }

    /// A token for the user, with its end.
    func token(
        name: String, password: String, at wall: WallTime
    ) async -> Result<(token: String, expiry: WallTime), Refusal> {
        guard waiting.add(1, ordering: .relaxed).newValue <= Self.maximumWaiting else {
            waiting.subtract(1, ordering: .relaxed)
            return .failure(.rateLimited)
        }
        let authentication = inUse.value
        let user = await withCheckedContinuation { continuation in
            queue.async {
                continuation.resume(returning: authentication.users.authenticate(name: name, password: password))
            }
        }
        waiting.subtract(1, ordering: .relaxed)
        guard let user else { return .failure(.authenticationFailed("user or password is wrong")) }
        guard let minter = authentication.minter else {
            return .failure(.notSupported("this node has no secret to sign tokens with: set auth-secret-file"))
        }
        let expiry = WallTime(milliseconds: wall.milliseconds + authentication.loginLifetime.milliseconds)
        let principal = Principal(user: user.name, groups: user.groups, roles: user.roles, expiry: expiry)
        return .success((minter.token(for: principal, at: wall), expiry))
    }
}
