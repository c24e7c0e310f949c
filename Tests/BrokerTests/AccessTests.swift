import Broker
import Model
import Testing

@Suite("An access policy")
struct AccessPolicyTests {
    private let policy = AccessPolicy(roles: [
        "reader": [Grant([.read], on: [filter("news/#")])],
        "editor": [Grant([.read, .write, .manage], on: [.everything])],
    ])

    private func definition(_ name: String, _ mask: PermissionMask) -> TopicDefinition {
        TopicDefinition(
            name: topic(name), generation: 1, kind: .stream, durability: .disk, owner: "olga", groups: ["staff"],
            created: .zero, creator: TestLedger.origin(1), settings: TopicSettings(permission: mask))
    }

    private func allows(
        _ action: AccessAction, _ name: String, _ principal: Principal, mask: PermissionMask = .standard
    ) -> Bool {
        policy.decides(action, on: topic(name), definition(name, mask), for: principal) == nil
    }

    @Test("wants a role that grants the action on the topic")
    func roles() {
        let reader = Principal(user: "ann", roles: ["reader"])
        #expect(allows(.read, "news/today", reader))
        #expect(!allows(.read, "chat", reader))
        #expect(!allows(.write, "news/today", reader))
        #expect(!allows(.read, "news/today", Principal(user: "ann", roles: [])))
        #expect(!allows(.read, "news/today", Principal(user: "ann", roles: ["unheard-of"])))
    }

    @Test("wants the mask to allow it too, as owner, group or guest")
    func masks() {
        let roles = ["editor"]
        let (owner, staff) = (
            Principal(user: "olga", roles: roles), Principal(user: "sam", groups: ["staff"], roles: roles)
        )
        let guest = Principal(user: "gus", groups: ["others"], roles: roles)
        let mask = PermissionMask(guest: [.read], owner: [.delete], group: [.execute])
        #expect([owner, staff, guest].map { allows(.read, "t", $0, mask: mask) } == [true, true, true])
        #expect([owner, staff, guest].map { allows(.write, "t", $0, mask: mask) } == [false, true, false])
        #expect([owner, staff, guest].map { allows(.manage, "t", $0, mask: mask) } == [true, false, false])
    }

    @Test("lets an admin pass roles, masks and system names, and nobody else write to those")
    func admin() {
        let admin = Principal(user: "root", roles: ["admin"])
        let closed = PermissionMask(guest: [], owner: [], group: [])
        for action in AccessAction.allCases { #expect(allows(action, "$dead/t", admin, mask: closed)) }
        #expect(!allows(.write, "$dead/t", Principal(user: "olga", roles: ["editor"])))
    }

    @Test("lets a token's own topics narrow everybody, an admin too")
    func narrowing() {
        let claim = TopicNarrowing(read: [filter("a/#")], write: [filter("a/b")], manage: [])
        for role in ["admin", "editor"] {
            let principal = Principal(user: "olga", roles: [role], narrowing: claim)
            #expect(allows(.read, "a/c", principal) && allows(.write, "a/b", principal))
            #expect(
                !allows(.read, "b", principal) && !allows(.write, "a/c", principal)
                    && !allows(.manage, "a/b", principal))
        }
        let widened = Principal(user: "ann", roles: ["reader"], narrowing: claim)
        #expect(!allows(.write, "a/b", widened))
    }

    @Test("asks an anonymous user to authenticate")
    func anonymous() {
        let nobody = Principal(user: "", roles: [])
        #expect(policy.decides(.read, on: topic("t"), nil, for: nobody) == .authenticationRequired)
    }
}

@Suite("A live re-check of access")
struct AccessChangeTests {
    let bench = Bench()
    let bob = Principal(user: "bob", roles: ["user"])

    @Test("ends subscriptions when the topic's mask forbids them, and takes wildcards up again when it allows")
    func mask() {
        bench.create("t")
        let (named, wild) = (bench.open(0, bob), bench.open(1, bob))
        bench.send(.follow("t"), from: named)
        bench.send(.follow("#"), from: wild)
        bench.settle()
        _ = bench.ledger.changeTopic(topic("t"), retention: nil, permission: .ownerOnly)
        bench.publish("t", "hidden")
        _ = bench.ledger.changeTopic(topic("t"), retention: nil, permission: .standard)
        bench.publish("t", "shown")
        bench.deliver()
        #expect(bench.lines(named).suffix(1) == ["ended t PERMISSION_DENIED"])
        #expect(bench.lines(wild).suffix(3) == ["ended t PERMISSION_DENIED", "cursor t {A:1}", "event t A:2 shown"])
    }

    @Test("ends subscriptions when the roles no longer grant them")
    func policy() {
        bench.create("t")
        let client = bench.open(0, bob)
        bench.send(.follow("t"), from: client)
        bench.run { $0.setAccess(AccessPolicy(roles: [:]), into: &$1) }
        bench.publish("t", "hidden")
        bench.deliver()
        #expect(bench.lines(client).suffix(1) == ["ended t PERMISSION_DENIED"])
        #expect(bench.lists.isEmpty)
    }

    @Test("ends subscriptions when a new token carries less")
    func token() {
        bench.create("t")
        let client = bench.open(0, bob)
        bench.send(.follow("t"), from: client)
        bench.send(.authenticate(token: "less"), from: client)
        let (connection, reference, token) = bench.verifications.removeFirst()
        #expect(token == "less")
        let less = Principal(user: "bob", roles: [])
        bench.run { $0.verified(connection, reference, .success(less), at: bench.now, into: &$1) }
        #expect(bench.lines(client).suffix(2) == ["authenticated bob", "ended t PERMISSION_DENIED"])
    }

    @Test("of a token warns 30 s before its end, refuses after it, closes with 1008, and stays when renewed")
    func expiry() {
        bench.create("t")
        func principal(_ seconds: Int64) -> Principal {
            let expiry = WallTime(milliseconds: bench.now.wall.milliseconds + seconds * 1_000)
            return Principal(user: "bob", roles: ["user"], expiry: expiry)
        }
        let (kept, lost) = (bench.open(0, principal(60)), bench.open(1, principal(60)))
        bench.wait(.seconds(30))
        #expect(bench.lines(kept) == ["opened bob", "expiring"])
        #expect(bench.lines(lost) == ["opened bob", "expiring"])
        bench.send(.authenticate(token: "more"), from: kept)
        let (connection, reference, _) = bench.verifications.removeFirst()
        bench.run { $0.verified(connection, reference, .success(principal(300)), at: bench.now, into: &$1) }
        bench.wait(.seconds(30))
        #expect(bench.closes == ["1008 AUTH_EXPIRED: the token has expired"])
        bench.send(.say("t"), from: lost)
        bench.send(.say("t"), from: kept)
        #expect(bench.lines(lost) == ["refused AUTH_EXPIRED: the token has expired: authenticate again"])
        #expect(bench.lines(kept) == ["authenticated bob", "published t A:1 accepted"])
    }

    @Test("refuses what a token that failed to verify was for, and keeps the old one")
    func failed() {
        bench.create("t")
        let client = bench.open(0, bob)
        bench.send(.authenticate(token: "bad"), from: client)
        let (connection, reference, _) = bench.verifications.removeFirst()
        let refusal = Refusal.authenticationFailed("the signature does not match")
        bench.run { $0.verified(connection, reference, .failure(refusal), at: bench.now, into: &$1) }
        bench.send(.say("t"), from: client)
        #expect(
            bench.lines(client).dropFirst() == [
                "refused AUTH_FAILED: authentication failed: the signature does not match", "published t A:1 accepted",
            ])
    }
}
