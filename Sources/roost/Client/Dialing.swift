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
        let security = address.isSecure ? try clientSecurity(address.authorityFile) : nil
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
    } catch let failure as CommandFailure {
        throw failure
    } catch {
        throw .unreachable("\(address): \(reason(of: error))")
    }
}

/// Trusts the authorities of a file, or those of the system.
private func clientSecurity(_ authorityFile: String?) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    if let authorityFile {
        guard let authorities = try? NIOSSLCertificate.fromPEMFile(authorityFile), !authorities.isEmpty else {
            throw CommandFailure.configuration("\(authorityFile) cannot be read as certificates in PEM")
        }
        configuration.trustRoots = .certificates(authorities)
    }
    return try NIOSSLContext(configuration: configuration)
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
    case is NIOSSLExtraError: "the node's certificate is for another name"
    case let error as NIOSSLError:
        switch error {
        case .handshakeFailed(let cause): handshakeReason(cause)
        case .uncleanShutdown: "the connection was cut off"
        default: "TLS failed"
        }
    case let error as BoringSSLError: handshakeReason(error)
    default: "\(error)"
    }
}

/// Why a TLS handshake failed. The library's own words name lines of its source, which tell a user nothing.
private func handshakeReason(_ error: BoringSSLError) -> String {
    let words = "\(error)"
    return switch true {
    case words.contains("CERTIFICATE_VERIFY_FAILED"):
        "the node's certificate is not trusted here; name its authority with --ca-file or ROOST_CA_FILE"
    case words.contains("CERTIFICATE_REQUIRED"), words.contains("PEER_DID_NOT_RETURN"):
        "the node wants a client's certificate, which this command cannot show"
    case words.contains("WRONG_VERSION_NUMBER"): "this address does not speak TLS"
    case words.contains("PROTOCOL_VERSION"): "no common version of TLS"
    default: "the TLS handshake failed"
    }
}
