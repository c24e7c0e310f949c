import COpenSSL

/// AES-256-GCM's fixed sizes, in bytes (NIST SP 800-38D).
package enum SealingSize {
    /// The nonce.
    package static let nonce = 12
    /// The authentication tag.
    package static let tag = 16
}

/// Seals under one key with one reused cipher context; owned by one thread.
package final class SealingContext {
    private let context: OpaquePointer

    /// A context for a key of 32 bytes.
    package init(key: [UInt8]) {
        precondition(key.count == ClusterKeyRing.keyLength, "AES-256 has keys of 32 bytes")
        guard let context = EVP_CIPHER_CTX_new() else { preconditionFailure("memory for a cipher context") }
        self.context = context
        precondition(
            EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nil, key, nil) == 1, "the crypto library has AES-256-GCM")
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    /// Writes ciphertext and tag to `destination`, which has room for exactly both and does not overlap `plaintext`.
    package func seal(
        _ plaintext: UnsafeRawBufferPointer, authenticating header: UnsafeRawBufferPointer,
        nonce: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
    ) {
        precondition(nonce.count == SealingSize.nonce, "a nonce of 12 bytes")
        precondition(destination.count == plaintext.count + SealingSize.tag, "room for exactly ciphertext and tag")
        let output = destination.bindMemory(to: UInt8.self).baseAddress!
        var written: Int32 = 0
        var succeeded =
            EVP_EncryptInit_ex(context, nil, nil, nil, nonce.bytePointer) == 1
            && EVP_EncryptUpdate(context, nil, &written, header.bytePointer, Int32(header.count)) == 1
        if !plaintext.isEmpty {
            succeeded =
                succeeded
                && EVP_EncryptUpdate(context, output, &written, plaintext.bytePointer, Int32(plaintext.count)) == 1
        }
        succeeded =
            succeeded
            && EVP_EncryptFinal_ex(context, output + plaintext.count, &written) == 1
            && EVP_CIPHER_CTX_ctrl(
                context, EVP_CTRL_AEAD_GET_TAG, Int32(SealingSize.tag), output + plaintext.count) == 1
        precondition(succeeded, "sealing fails only for lengths that are never sealed")
    }
}

/// Opens what a ``SealingContext`` with the same key sealed; owned by one thread.
package final class OpeningContext {
    private let context: OpaquePointer

    /// A context for a key of 32 bytes.
    package init(key: [UInt8]) {
        precondition(key.count == ClusterKeyRing.keyLength, "AES-256 has keys of 32 bytes")
        guard let context = EVP_CIPHER_CTX_new() else { preconditionFailure("memory for a cipher context") }
        self.context = context
        precondition(
            EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nil, key, nil) == 1, "the crypto library has AES-256-GCM")
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    /// The plaintext of `sealed` (ciphertext and tag), or nil when the tag does not verify: then nothing of it is kept.
    package func open(
        _ sealed: UnsafeRawBufferPointer, authenticating header: UnsafeRawBufferPointer, nonce: UnsafeRawBufferPointer
    ) -> [UInt8]? {
        guard sealed.count >= SealingSize.tag else { return nil }
        precondition(nonce.count == SealingSize.nonce, "a nonce of 12 bytes")
        let length = sealed.count - SealingSize.tag
        var verified = false
        let plaintext = [UInt8](unsafeUninitializedCapacity: length) { buffer, initialized in
            verified = decrypt(sealed, length: length, header: header, nonce: nonce, into: buffer.baseAddress)
            initialized = verified ? length : 0
        }
        return verified ? plaintext : nil
    }

    private func decrypt(
        _ sealed: UnsafeRawBufferPointer, length: Int, header: UnsafeRawBufferPointer, nonce: UnsafeRawBufferPointer,
        into output: UnsafeMutablePointer<UInt8>?
    ) -> Bool {
        var written: Int32 = 0
        guard EVP_DecryptInit_ex(context, nil, nil, nil, nonce.bytePointer) == 1,
            EVP_DecryptUpdate(context, nil, &written, header.bytePointer, Int32(header.count)) == 1
        else { return false }
        if length > 0 {
            guard EVP_DecryptUpdate(context, output, &written, sealed.bytePointer, Int32(length)) == 1 else {
                return false
            }
        }
        let tag = UnsafeMutableRawPointer(mutating: sealed.baseAddress! + length)
        var end: UInt8 = 0
        return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(SealingSize.tag), tag) == 1
            && EVP_DecryptFinal_ex(context, &end, &written) == 1
    }
}

extension UnsafeRawBufferPointer {
    fileprivate var bytePointer: UnsafePointer<UInt8>? { bindMemory(to: UInt8.self).baseAddress }
}
