import NIOSSL

/// What a listener with TLS proves itself with, and what it asks of clients.
package struct SecuritySettings: Sendable, Equatable {
    /// The certificate and those that lead to its authority, in PEM.
    package var certificateFile: String
    /// The certificate's private key, in PEM.
    package var keyFile: String
    /// The authorities of clients' certificates, in PEM; nil where none are asked for.
    package var clientAuthorityFile: String?
    /// Default `none`.
    package var clientAuthentication = ClientAuthentication.none
    /// Default TLS 1.2.
    package var minimumVersion = MinimumVersion.tls12

    /// Whether clients have to show a certificate. It admits to the connection and says nothing of who the client is: that
    /// is still its token's to say.
    package enum ClientAuthentication: String, Sendable, CaseIterable {
        /// None is asked for.
        case none
        /// One that is shown must be good.
        case optional
        /// One must be shown, and be good.
        case required
    }

    /// The oldest version of TLS that is spoken.
    package enum MinimumVersion: String, Sendable, CaseIterable {
        case tls12 = "1.2"
        case tls13 = "1.3"
    }

    package init(certificateFile: String, keyFile: String) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }
}

/// Why TLS cannot be spoken with the files that are there; the path stands in each.
package enum SecurityFailure: Error, Equatable, Sendable, CustomStringConvertible {
    case certificateUnusable(path: String)
    case keyUnusable(path: String)
    case pairMismatched(certificate: String, key: String)
    case authorityUnusable(path: String)

    package var description: String {
        switch self {
        case .certificateUnusable(let path): "the TLS certificate \(path) cannot be read as a certificate chain in PEM"
        case .keyUnusable(let path): "the TLS key \(path) cannot be read as an unencrypted private key in PEM"
        case .pairMismatched(let certificate, let key):
            "the TLS key \(key) does not belong to the first certificate in \(certificate)"
        case .authorityUnusable(let path): "\(path) cannot be read as the certificates of clients' authorities in PEM"
        }
    }
}

extension NIOSSLContext {
    /// Reads the files anew.
    package convenience init(_ settings: SecuritySettings) throws(SecurityFailure) {
        let path = settings.certificateFile
        let chain = try Self.certificates(path, .certificateUnusable(path: path))
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(file: settings.keyFile, format: .pem)
        } catch {
            throw .keyUnusable(path: settings.keyFile)
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion =
            switch settings.minimumVersion {
            case .tls12: .tlsv12
            case .tls13: .tlsv13
            }
        configuration.applicationProtocols = ["http/1.1"]
        if let path = settings.clientAuthorityFile, settings.clientAuthentication != .none {
            configuration.trustRoots = .certificates(try Self.certificates(path, .authorityUnusable(path: path)))
            // What a client is called is not checked: its authority vouches for it.
            configuration.certificateVerification =
                settings.clientAuthentication == .required ? .noHostnameVerification : .optionalVerification
        }
        do {
            try self.init(configuration: configuration)
        } catch {
            throw .pairMismatched(certificate: settings.certificateFile, key: settings.keyFile)
        }
    }

    private static func certificates(
        _ path: String, _ failure: SecurityFailure
    ) throws(SecurityFailure) -> [NIOSSLCertificate] {
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(path)
            guard !certificates.isEmpty else { throw failure }
            return certificates
        } catch {
            throw failure
        }
    }
}
