"""Tests that run beside each other, and those that need the machine to themselves."""

import fcntl
import os
from contextlib import contextmanager

GATE, HALL = 0, 1


class Turns:
    """What the processes of one run agree by: locks on two bytes of a file, which end with a process that ends."""

    def __init__(self, path):
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    @contextmanager
    def turn(self, alone):
        # Whoever waits to be alone stands in the gate, so that nobody else begins meanwhile.
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, GATE)
        fcntl.lockf(self._file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, 1, HALL)
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, GATE)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, HALL)
