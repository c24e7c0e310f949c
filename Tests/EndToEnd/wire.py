"""A client of `/live` down at its socket: it reads when and as much as it is told to, and checks every byte."""

import base64
import json
import os
import socket
import struct

from live import LIMIT


class Wire:
    """One connection with a small receive buffer. Nothing is read unless `receive` is called."""

    def __init__(self, node, path="/live", buffer=None, token=None):
        host, port = node.front.split(":")
        self.socket = socket.socket()
        if buffer:
            # Before the connection is made, or the window has been announced already.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(LIMIT)
        self.socket.connect((host, int(port)))
        self._held = b""
        key = base64.b64encode(os.urandom(16)).decode()
        target = f"{path}?token={token}" if token else path
        self.socket.sendall(
            f"GET {target} HTTP/1.1\r\nHost: {node.front}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._held:
            self._held += self._some(4096)
        head, self._held = self._held.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.messages = []

    def _some(self, size):
        data = self.socket.recv(size)
        assert data, "the node has closed the connection"
        return data

    def say(self, method, **attributes):
        """Sends a request; its answer, where it has an id, is among the messages."""
        ident = attributes.pop("id", None)
        frame = {"method": method, "attributes": attributes, **({"id": ident} if ident else {})}
        self.socket.sendall(masked(0x81, json.dumps(frame).encode()))

    def receive(self, size=65_536):
        """Takes at most so many bytes from the socket, waits for the first, and gives the messages whole by then."""
        self._held += self._some(size)
        messages, place = [], 0
        while frame := whole(self._held, place):
            opcode, content, place = frame
            assert opcode in (0x81, 0x89, 0x8A), f"opcode {opcode:#x}: {content[:200]}"
            if opcode == 0x89:
                self.socket.sendall(masked(0x8A, content))
            elif opcode == 0x81:
                messages.append(content.decode())
        self._held = self._held[place:]
        return messages

    def answer(self, ident):
        """Reads up to the answer with an id, which has to be a success; what comes before it is none of an event."""
        while True:
            for text in self.receive():
                frame = json.loads(text)
                if frame.get("id") == ident:
                    assert frame["ok"], frame
                    return frame["data"]

    def close(self):
        self.socket.close()


def masked(first, content):
    """A client's frame of any length; its mask is zero, so that its content stays readable."""
    size = len(content)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = b"\xfe" + struct.pack(">H", size)
    else:
        length = b"\xff" + struct.pack(">Q", size)
    return bytes([first]) + length + bytes(4) + content


def whole(data, place):
    """The first frame of a server's bytes and where the next one begins; nothing while bytes are missing."""
    if len(data) < place + 2:
        return None
    start, size = place + 2, data[place + 1]
    assert size < 0x80, "a server's frame is not masked"
    if size > 125:
        wide = 2 if size == 126 else 8
        if len(data) < start + wide:
            return None
        size = int.from_bytes(data[start : start + wide], "big")
        start += wide
    if len(data) < start + size:
        return None
    return data[place], data[start : start + size], start + size


class Account:
    """What a subscriber of a topic that one node publishes to has been told, offset by offset, nothing left out."""

    def __init__(self, cursor, payload):
        self.place = dict(cursor)
        self._payload = payload
        self.events = self.gaps = self.missed = 0

    def take(self, text):
        """Takes a message in; fails when it does not come right after what came before, or is not what was sent."""
        frame = json.loads(text)
        if frame["type"] == "event":
            partition, offset = frame["partition"], frame["offset"]
            assert offset == self.place.get(partition, 0) + 1, f"after {self.place}: {text[:300]}"
            self.place[partition] = offset
            sent = self._payload(offset)
            assert f'"data":{sent},' in text, f"offset {offset} is not what was sent: {text[:300]}"
            self.events += 1
        elif frame["type"] == "gap":
            partition = frame["partition"]
            assert frame["from"] == self.place.get(partition, 0) + 1, f"after {self.place}: {text}"
            assert frame["to"] >= frame["from"], text
            self.place[partition] = frame["to"]
            self.gaps += 1
            self.missed += frame["to"] - frame["from"] + 1
        else:
            raise AssertionError(f"neither an event nor a gap: {text}")

    @property
    def last(self):
        return max(self.place.values(), default=0)
