/// What makes a message a row of a table: the message's key names the row, its payload is the row's value, and a payload
/// of `null` is the end of the row.
package struct RowVersion: Equatable, Sendable {
    /// One more than the revision of the version that it replaces on its node; from 1. 0 where it only says once more
    /// what another origin's record says, so that it never beats that.
    package let revision: UInt64
    /// Who may read the row; nil for all who may read the table.
    package let readers: RowReaders?
    /// Who could read an earlier version.
    package let former: FormerReaders

    package init(revision: UInt64, readers: RowReaders? = nil, former: FormerReaders = .nobody) {
        self.revision = revision
        self.readers = readers
        self.former = former
    }
}

/// What orders the versions of one row: the greatest is the row.
///
/// Revisions count how often a row was written in the knowledge of what was there before, so that no clock beats a later
/// write; of writes that did not know of each other the later by (time, origin) holds. It depends on the versions alone and
/// not on the order in which they come, so that every node comes to the same.
package struct RowRank: Comparable, Sendable {
    package let revision: UInt64
    package let stamp: Stamp

    package init(revision: UInt64, stamp: Stamp) {
        self.revision = revision
        self.stamp = stamp
    }

    package static func < (left: RowRank, right: RowRank) -> Bool {
        (left.revision, left.stamp) < (right.revision, right.stamp)
    }
}

/// What a node remembers of a row without its value.
package struct RowHead: Equatable, Sendable {
    package let rank: RowRank
    /// Whether the row has ended.
    package let isDeleted: Bool
    package let readers: RowReaders?
    package let former: FormerReaders

    package init(rank: RowRank, isDeleted: Bool, readers: RowReaders?, former: FormerReaders) {
        self.rank = rank
        self.isDeleted = isDeleted
        self.readers = readers
        self.former = former
    }

    /// The head that a row's record makes; nil for a record that is no row.
    package init?(_ record: Record) {
        guard let message = record.message, let row = message.row, message.key != nil else { return nil }
        self.init(
            rank: RowRank(revision: row.revision, stamp: Stamp(time: record.time, origin: record.origin)),
            isDeleted: message.isRowEnd, readers: row.readers, former: row.former)
    }
}

/// What becomes of a row by one of its versions.
package enum RowEvent: String, Sendable {
    case create
    case update
    case delete
}

/// What a publisher wants of a row, and what it may do.
package struct RowDraft: Sendable {
    /// What is to become of the row's readers.
    package enum Readers: Sendable {
        /// As the version before has it; all who may read the table, where there is none.
        case kept
        /// These; nil for all who may read the table.
        case changed(RowReaders?)
    }

    package let readers: Readers
    /// Create, Update and Delete, as the table's mask allows them.
    package let rights: PermissionMask.Rights
    /// Who writes, and may so only what they may read; nil for one who may read every row.
    package let writer: Principal?

    package init(readers: Readers, rights: PermissionMask.Rights, writer: Principal?) {
        self.readers = readers
        self.rights = rights
        self.writer = writer
    }
}

extension RowEvent {
    /// The bit of the mask that allows it.
    package var right: PermissionMask.Rights {
        switch self {
        case .create: .create
        case .update: .update
        case .delete: .delete
        }
    }
}
