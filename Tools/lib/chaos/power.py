"""What a power cut leaves of a directory: only what was synced, and chance decides about the rest.

The shim `disk.c` wrote an undo journal. Here it is played backwards over what was never synced. Files keep the bytes of
their last sync and, by chance, some of those after it, of which one may be damaged. Of the names that were made, changed
or removed since the directory was last synced the first few stay so, in their order, and the others do not.
"""

import os
from pathlib import Path


class Undo:
    """What is not synced, as the journal says."""

    def __init__(self, journal):
        self.durable = {}  # inode: the size at its last sync
        self.cuts = {}  # inode: [(old size, new size, copy of the end)], unsynced
        self.entries = []  # changes of names, unsynced
        text = Path(journal).read_text() if Path(journal).exists() else ""
        for line in text.splitlines():
            self._read(line.split(" "))

    def _read(self, words):
        match words:
            case ["create", inode, path]:
                self.durable[int(inode)] = 0
                self.cuts.pop(int(inode), None)
                self.entries.append(("create", path))
            case ["cut", inode, old, new, copy]:
                self.cuts.setdefault(int(inode), []).append((int(old), int(new), copy))
            case ["rename" | "unlink", *_]:
                self.entries.append(tuple(words))
            case ["sync", inode, size]:
                self.durable[int(inode)] = int(size)
                self.cuts.pop(int(inode), None)
            case ["entries", _]:
                self.entries.clear()
            case _:
                raise ValueError(f"the undo journal has a line that nobody writes: {' '.join(words)}")


def cut(directory, journal, copies, random):
    """Takes away what was not synced. Returns sentences that say what became of it."""
    directory, copies, undo = Path(directory), Path(copies), Undo(journal)
    told = _undo_names(directory, copies, undo, random)
    for path in sorted(directory.iterdir()):
        if path.is_file() and path.stat().st_ino in undo.durable:
            told += _undo_bytes(path, copies, undo, random)
    # From here on everything that is there counts as synced.
    sizes = [path.stat() for path in directory.iterdir() if path.is_file()]
    Path(journal).write_text("".join(f"sync {each.st_ino} {each.st_size}\n" for each in sizes))
    for copy in copies.iterdir():
        copy.unlink()
    return told


def _undo_names(directory, copies, undo, random):
    kept = random.choice([0, random.randint(0, len(undo.entries))])
    told = []
    for entry in reversed(undo.entries[kept:]):
        told.append(f"not synced, so undone: {' '.join(entry)}")
        match entry:
            case ("create", path):
                (directory / path).unlink(missing_ok=True)
            case ("rename", old, new, copy):
                if (directory / new).exists() and not (directory / old).exists():
                    os.rename(directory / new, directory / old)
                    _bring_back(copies / copy, directory / new)
            case ("unlink", path, copy):
                _bring_back(copies / copy, directory / path)
    return told


def _bring_back(copy, path):
    if copy.is_file() and not path.exists():
        os.link(copy, path)


def _undo_bytes(path, copies, undo, random):
    inode, content = path.stat().st_ino, path.read_bytes()
    before, durable = len(content), undo.durable[path.stat().st_ino]
    cuts = undo.cuts.get(inode, [])
    if cuts and random.random() < 0.5:
        durable = min(durable, *(new for _, new, _ in cuts))
    else:
        for _, new, copy in reversed(cuts):
            end = (copies / copy).read_bytes() if copy != "-" else b""
            content = content[:new] + end
    unsynced = max(len(content) - durable, 0)
    kept = random.choice([0, random.randint(0, unsynced)])
    content = bytearray(content[: durable + kept])
    told = [f"{path.name}: {before} bytes, {durable} of them synced; {len(content)} are left"]
    if kept and random.random() < 0.3:
        place = durable + random.randrange(kept)
        content[place] ^= 1 << random.randrange(8)
        told.append(f"{path.name}: byte {place}, which was not synced, is damaged")
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
    return told if len(content) != before or len(told) > 1 else []
