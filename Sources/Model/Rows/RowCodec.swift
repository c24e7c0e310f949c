extension RowVersion {
    /// Appends revision, readers and former readers.
    package func encode(into writer: inout ByteWriter) {
        writer.varint(revision)
        writer.u8((readers == nil ? 0 : 1) | former.code << 1)
        readers?.encode(into: &writer)
        if case .some(let former) = former { former.encode(into: &writer) }
    }

    /// Reads back what ``encode(into:)`` wrote.
    package static func decode(from reader: inout ByteReader) throws(FormatError) -> RowVersion {
        let revision = try reader.varint()
        guard revision < 1 << 62 else { throw .invalid("row revision") }
        let flags = try reader.u8()
        let readers = flags & 1 == 0 ? nil : try RowReaders.decode(from: &reader)
        switch flags >> 1 {
        case 0: return RowVersion(revision: revision, readers: readers, former: .nobody)
        case 1: return RowVersion(revision: revision, readers: readers, former: .some(try RowReaders.decode(from: &reader)))
        case 2: return RowVersion(revision: revision, readers: readers, former: .everybody)
        default: throw .invalid("row flags")
        }
    }
}

extension FormerReaders {
    fileprivate var code: UInt8 {
        switch self {
        case .nobody: 0
        case .some: 1
        case .everybody: 2
        }
    }
}

extension RowReaders {
    fileprivate func encode(into writer: inout ByteWriter) {
        for names in [users, groups] {
            writer.varint(UInt64(names.count))
            for name in names { writer.string(name) }
        }
    }

    fileprivate static func decode(from reader: inout ByteReader) throws(FormatError) -> RowReaders {
        func names() throws(FormatError) -> [String] {
            var names: [String] = []
            for _ in 0..<(try reader.count(upTo: limit)) { names.append(try reader.string()) }
            return names
        }
        let users = try names()
        return RowReaders(users: users, groups: try names())
    }
}
