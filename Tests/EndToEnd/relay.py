"""What stands between a node's bus and its peers, and can hold up what they have to tell it."""

import socket
import threading


class Relay:
    """Listens on one address and passes on to another. While it is held, nothing comes through to the listener; what the
    listener says itself goes on, and nobody is disconnected."""

    def __init__(self, listen, target):
        self._listener = socket.create_server(listen)
        self._target = target
        self._going = threading.Event()
        self._going.set()
        self._wires = []
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self):
        self._going.clear()

    def go_on(self):
        self._going.set()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # closed
                return
            try:
                far = socket.create_connection(self._target)
            except OSError:  # it does not listen yet: whoever came will come again
                near.close()
                continue
            self._wires += [near, far]
            threading.Thread(target=self._pass, args=(near, far, self._going), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, None), daemon=True).start()

    @staticmethod
    def _pass(source, sink, gate):
        try:
            while data := source.recv(65_536):
                if gate:
                    gate.wait()
                sink.sendall(data)
        except OSError:
            pass
        for wire in (source, sink):
            try:
                wire.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._going.set()
        # A closed descriptor wakes nobody who waits for it; a shut connection does.
        for wire in [self._listener, *self._wires]:
            try:
                wire.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            wire.close()
