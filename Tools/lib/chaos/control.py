"""The page through which the shims of one node are told what to do, and say what they did (`control.h`)."""

import mmap
import struct
from pathlib import Path

FIELDS = (
    "clock_offset_ns", "sync_delay_us", "sync_error", "write_error", "sync_lies", "clock_reads", "syncs", "writes",
    "strangers",
)  # fmt: skip


class Control:
    """Eight numbers of 64 bits in a mapped file; one reads and writes them as `control["sync_error"]`."""

    def __init__(self, path):
        self.path = Path(path)
        self.path.write_bytes(bytes(mmap.PAGESIZE))
        with self.path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def __getitem__(self, field):
        return struct.unpack_from("<q", self._page, 8 * FIELDS.index(field))[0]

    def __setitem__(self, field, value):
        struct.pack_into("<q", self._page, 8 * FIELDS.index(field), value)
