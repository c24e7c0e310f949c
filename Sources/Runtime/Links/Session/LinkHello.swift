import Model

/// An introduction: who is there, in which run, and what of the peer it has seen.
///
/// Every hello is padded to one length, so an answer is never larger than what it answers. Readers pass over bytes
/// after the fields they know, where later fields will go. The highest version came there: a build that knows only one
/// writes zeros in its place, and compares the lowest with its own.
package struct LinkHello: Equatable, Sendable {
    /// The layout of the fields that this build writes and reads.
    package static let layout: UInt8 = 1
    /// The length of a sealed hello, in bytes.
    package static let sealedLength = 512
    /// The longest host name in an endpoint, in bytes (RFC 1035 §2.3.4).
    package static let maximumHost = 255

    /// What its sender has seen of the receiver.
    package struct Echo: Equatable, Sendable {
        /// The receiver's boot.
        package var boot: Boot
        /// The receiver's ticket for the sender.
        package var ticket: UInt64

        package init(boot: Boot, ticket: UInt64) {
            self.boot = boot
            self.ticket = ticket
        }
    }

    /// The sender and its run.
    package var sender: LinkEnd
    /// What the receiver must echo. It changes whenever the sender's session with that peer opens or is forgotten, so
    /// an old hello never matches.
    package var ticket: UInt64
    /// What the sender has seen of the receiver; nil before it has seen anything.
    package var echo: Echo?
    /// Whether the sender has a session with the boot that it echoes.
    package var hasSession: Bool
    /// No frame that the sender seals from now on has a counter below this.
    package var firstCounter: UInt64
    /// The versions of what it says inside sessions; nodes that have none in common open none.
    package var versions: WireVersions
    /// The largest message that the sender takes from a client, in bytes.
    package var messageLimit: Int
    /// Where the sender's bus is reached.
    package var advertised: Endpoint

    package init(
        sender: LinkEnd, ticket: UInt64, echo: Echo?, hasSession: Bool, firstCounter: UInt64,
        versions: WireVersions = .spoken, messageLimit: Int, advertised: Endpoint
    ) {
        self.sender = sender
        self.ticket = ticket
        self.echo = echo
        self.hasSession = hasSession
        self.firstCounter = firstCounter
        self.versions = versions
        self.messageLimit = messageLimit
        self.advertised = advertised
    }

    /// The hello as padded plaintext.
    package var bytes: [UInt8] {
        let length = Self.sealedLength - SealedHeader.helloOverhead
        var writer = ByteWriter(reservingCapacity: length)
        writer.u8(Self.layout)
        writer.u16(UInt16(versions.lowest))
        writer.u64(sender.node.rawValue)
        writer.boot(sender.boot)
        writer.u64(ticket)
        writer.u8((echo == nil ? 0 : 1) | (hasSession ? 2 : 0))
        writer.boot(echo?.boot ?? Boot(high: 0, low: 0))
        writer.u64(echo?.ticket ?? 0)
        writer.u64(firstCounter)
        writer.u64(UInt64(messageLimit))
        writer.u16(advertised.port)
        writer.string(advertised.host)
        writer.u16(versions.highest == versions.lowest ? 0 : UInt16(versions.highest))
        precondition(writer.bytes.count <= length, "a host name of at most 255 bytes")
        writer.raw(repeatElement(0, count: length - writer.bytes.count))
        return writer.bytes
    }

    /// Reads verified plaintext.
    package init(reading bytes: [UInt8]) throws(FormatError) {
        var reader = ByteReader(bytes)
        let layout = try reader.u8()
        guard layout == Self.layout else { throw .unknownVersion(found: layout, known: Self.layout) }
        let lowest = try reader.version()
        sender = LinkEnd(node: NodeID(rawValue: try reader.u64()), boot: try reader.boot())
        guard sender.node.rawValue != 0 else { throw .invalid("node") }
        ticket = try reader.u64()
        let flags = try reader.u8()
        let echoed = Echo(boot: try reader.boot(), ticket: try reader.u64())
        echo = flags & 1 == 0 ? nil : echoed
        hasSession = flags & 2 != 0
        firstCounter = try reader.u64()
        guard let limit = Int(exactly: try reader.u64()) else { throw .invalid("message limit") }
        messageLimit = limit
        let port = try reader.u16()
        let host = try reader.string()
        guard host.utf8.count <= Self.maximumHost else { throw .invalid("host") }
        advertised = Endpoint(host: host, port: port)
        let highest = try reader.version()
        guard highest == 0 || highest >= lowest else { throw .invalid("versions") }
        versions = WireVersions(lowest...max(lowest, highest))
    }
}

extension ByteWriter {
    fileprivate mutating func boot(_ boot: Boot) {
        u64(boot.high)
        u64(boot.low)
    }
}

extension ByteReader {
    fileprivate mutating func boot() throws(FormatError) -> Boot { Boot(high: try u64(), low: try u64()) }

    /// A version in two bytes; those above 255 are as good as 255, which no build speaks.
    fileprivate mutating func version() throws(FormatError) -> UInt8 { UInt8(clamping: try u16()) }
}
