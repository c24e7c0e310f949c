import Glibc
import NIOCore
import NIOPosix
import NIOSSL

/// How long a node may take to accept a connection.
let connectTimeout = TimeAmount.seconds(10)

/// Connects to a node, with TLS where its address says so.
func dial<Value: Sendable>(
    _ address: ServerAddress, _ wrap: @escaping @Sendable (any Channel) throws -> Value
) async throws(CommandFailure) -> Value {
    do {
        let security = address.isSecure ? try NIOSSLContext(configuration: .makeClientConfiguration()) : nil
        let host = address.endpoint.host
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: host, port: Int(address.endpoint.port)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let security {
                        let handler = try NIOSSLClientHandler(context: security, serverHostname: serverName(host))
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    return try wrap(channel)
                }
            }
    } catch {
        throw .unreachable("\(address): \(reason(of: error))")
    }
}

/// A name for the certificate to match; an address is matched without one.
private func serverName(_ host: String) -> String? {
    let isAddress = host.contains(":") || host.utf8.allSatisfy { $0 == 0x2E || (0x30...0x39).contains($0) }
    return isAddress ? nil : host
}

/// A system's or library's error in few words.
func reason(of error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
        error.connectionErrors.first.map { reason(of: $0.error) } ?? "the name is not known"
    case let error as IOError: String(cString: strerror(error.errnoCode))
    case let error as ChannelError:
        if case .connectTimeout = error { "no connection in time" } else { "the connection ended" }
    default: "\(error)"
    }
}
