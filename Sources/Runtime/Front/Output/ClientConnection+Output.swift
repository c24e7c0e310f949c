import Broker
import NIOCore

/// How frames leave: see ``Outbound``. Everything that is written, acks and pongs included, keeps its order.
extension ClientConnection {
    /// Writes a frame of this connection's own, or several.
    func write(_ bytes: ByteBuffer, frames: Int = 1) {
        guard stage == .open, let connection else { return }
        loop.takeApart(connection)
        enqueue(bytes, frames: frames)
    }

    /// Writes bytes that may be shared with others, `frames` of them.
    func enqueue(_ bytes: ByteBuffer, frames: Int = 1) {
        guard stage == .open, let connection, context != nil else { return }
        count(bytes.readableBytes, frames)
        if outbound.queue.isEmpty { loop.forbidDirect(connection) }
        outbound.queue.append(bytes)
        outbound.queuedBytes += bytes.readableBytes
        if outbound.isFull { sendQueue() } else { needsFlush() }
    }

    /// Goes on where a `send` of shared bytes stopped.
    func goOn(with bytes: ByteBuffer, after count: Int, frames: Int) {
        guard stage == .open, let connection else { return }
        self.count(bytes.readableBytes, frames)
        loop.forbidDirect(connection)
        var rest = bytes
        rest.moveReaderIndex(forwardBy: count)
        outbound.queue.append(rest)
        outbound.queuedBytes += rest.readableBytes
        giveToChannel()
    }

    /// The socket is broken: nothing more can be sent, and the channel closes once the loop has finished what it does.
    func breakOff() {
        guard let connection else { return }
        loop.forbidDirect(connection)
        _ = outbound.takeAll()
        guard stage != .closed, let channel = context?.channel else { return }
        stage = .closing
        channel.eventLoop.execute { channel.close(promise: nil) }
    }

    /// Keeps what a shared batch holds from this connection: it is given it otherwise, or is not to have it.
    func isApart(from batch: UInt64) {
        outbound.apartFrom = batch
        guard let connection, outbound.isDirect else { return }
        loop.forbidDirect(connection)
        needsFlush()
    }

    var apartFrom: UInt64 { outbound.apartFrom }

    private func needsFlush() {
        guard !outbound.isFlushPending else { return }
        outbound.isFlushPending = true
        loop.needsFlush(self)
    }

    /// Sends what the tick has written.
    func flush() {
        outbound.isFlushPending = false
        sendQueue()
    }

    /// Hands the queue to the socket, and the channel what the socket does not take.
    private func sendQueue() {
        guard outbound.isDirect, let descriptor = outbound.descriptor else { return giveToChannel() }
        while !outbound.queue.isEmpty {
            let gathered = outbound.queue.prefix(gatherLimit)
            let size = gathered.reduce(0) { $0 + $1.readableBytes }
            switch sendDirectly(gathered, to: descriptor) {
            case .taken(let count):
                outbound.drop(count)
                if count < size { return giveToChannel() }
            case .broken: return breakOff()
            }
        }
        permitDirect()
    }

    /// Hands the queue to the channel's own writer, short frames together: to NIO each write costs far more than it has
    /// bytes, and what waits is bounded by bytes.
    private func giveToChannel() {
        guard let context else { return }
        var rest = outbound.takeAll()[...]
        while let first = rest.popFirst() {
            var bytes = first
            while bytes.readableBytes < Outbound.shortWrite, let next = rest.first,
                next.readableBytes < Outbound.shortWrite
            {
                bytes.writeImmutableBuffer(next)
                _ = rest.popFirst()
            }
            guard rest.isEmpty, outbound.descriptor != nil else {
                context.write(wrapOutboundOut(bytes), promise: nil)
                continue
            }
            let written = context.eventLoop.makePromise(of: Void.self)
            outbound.unfinishedWrites += 1
            written.futureResult.assumeIsolated().whenComplete { result in
                self.outbound.unfinishedWrites -= 1
                // A write fails only because the channel closes.
                if case .success = result, self.outbound.unfinishedWrites == 0 { self.channelHasFinished() }
            }
            context.write(wrapOutboundOut(bytes), promise: written)
        }
        context.flush()
    }

    /// Lets fan-out at the socket again when nothing keeps it away.
    private func permitDirect() {
        guard let connection, let descriptor = outbound.descriptor, stage == .open, outbound.isDirect,
            outbound.queue.isEmpty, loop.batch?.number != outbound.apartFrom || loop.batch == nil
        else { return }
        loop.permitDirect(connection, descriptor)
    }

    private func channelHasFinished() {
        if stage == .ending {
            context?.close(promise: nil)
        } else {
            permitDirect()
        }
    }

    private func count(_ bytes: Int, _ frames: Int) {
        loop.counters.framesSent += UInt64(frames)
        loop.counters.bytesSent += UInt64(bytes)
    }
}
