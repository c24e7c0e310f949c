import Synchronization

/// A value that many threads read and a reload replaces: who has read it keeps what it read.
final class InUse<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    init(_ value: Value) { state = Mutex(value) }

    var value: Value { state.withLock { $0 } }

    func replace(_ value: Value) { state.withLock { $0 = value } }
}
