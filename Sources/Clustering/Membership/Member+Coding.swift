import Model

extension MemberUpdate {
    /// Writes the record, and the accusers of a suspect.
    func write(to writer: inout ByteWriter) {
        member.write(to: &writer)
        guard member.state == .suspect else { return }
        writer.u8(UInt8(accusers.count))
        for accuser in accusers { writer.u64(accuser.rawValue) }
    }

    /// Reads what ``write(to:)`` wrote.
    init(reading reader: inout ByteReader) throws(FormatError) {
        member = try Member(reading: &reader)
        guard member.state == .suspect else { return }
        let count = try reader.u8()
        guard count >= 1, count <= Self.maximumAccusers else { throw .invalid("accusers") }
        for _ in 0..<count { accusers.append(try reader.nodeID()) }
    }
}

extension Member {
    /// Writes the record.
    func write(to writer: inout ByteWriter) {
        writer.u64(id.rawValue)
        writer.run(run)
        writer.varint(incarnation)
        writer.u8(state.rawValue)
        writer.string(name)
        writer.endpoint(gossip)
        writer.endpoint(bus)
        writer.u8(UInt8(truncatingIfNeeded: fronts.count))
        for front in fronts { writer.endpoint(front) }
        writer.u8(wireVersion)
    }

    /// Reads what ``write(to:)`` wrote, and refuses a record beyond its bounds.
    init(reading reader: inout ByteReader) throws(FormatError) {
        let before = reader.remaining
        id = try reader.nodeID()
        run = try reader.memberRun()
        incarnation = try reader.incarnation()
        state = try reader.state()
        name = try reader.string()
        guard name.utf8.count <= Self.maximumNameBytes else { throw .invalid("member name") }
        gossip = try reader.endpoint()
        bus = try reader.endpoint()
        let count = try reader.u8()
        guard count <= Self.maximumFronts else { throw .invalid("client endpoints") }
        var fronts: [Endpoint] = []
        for _ in 0..<count { fronts.append(try reader.endpoint()) }
        self.fronts = fronts
        wireVersion = try reader.u8()
        guard before - reader.remaining <= Self.maximumBytes else { throw .invalid("member length") }
    }
}

extension ByteWriter {
    /// Writes a process: 8 bytes of start, 16 of boot.
    mutating func run(_ run: Run) {
        u64(run.epochMilliseconds)
        u64(run.boot.high)
        u64(run.boot.low)
    }

    /// Writes an endpoint: its host as a string, its port in 2 bytes.
    mutating func endpoint(_ endpoint: Endpoint) {
        string(endpoint.host)
        u16(endpoint.port)
    }
}

extension ByteReader {
    /// Reads a node id, which is never 0.
    mutating func nodeID() throws(FormatError) -> NodeID {
        let id = NodeID(rawValue: try u64())
        guard id.rawValue != 0 else { throw .invalid("node id") }
        return id
    }

    /// Reads a boot.
    mutating func boot() throws(FormatError) -> Boot { Boot(high: try u64(), low: try u64()) }

    /// Reads a process.
    mutating func memberRun() throws(FormatError) -> Run { Run(epochMilliseconds: try u64(), boot: try boot()) }

    /// Reads an incarnation within its bound.
    mutating func incarnation() throws(FormatError) -> UInt64 {
        let value = try varint()
        guard value <= GossipPacket.maximumIncarnation else { throw .invalid("incarnation") }
        return value
    }

    /// Reads a state.
    mutating func state() throws(FormatError) -> MemberState {
        guard let state = MemberState(rawValue: try u8()) else { throw .invalid("member state") }
        return state
    }

    /// Reads an endpoint that can be reached: with a host, and a port other than 0.
    mutating func endpoint() throws(FormatError) -> Endpoint {
        let endpoint = Endpoint(host: try string(), port: try u16())
        guard !endpoint.host.isEmpty, endpoint.host.utf8.count <= Member.maximumHostBytes, endpoint.port != 0 else {
            throw .invalid("endpoint")
        }
        return endpoint
    }
}
