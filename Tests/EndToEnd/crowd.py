"""Sockets as no library would use them: raw handshakes and frames, one at a time or thousands together."""

import base64
import os
import resource
import select
import socket
import struct
import time

from live import LIMIT


def address(node):
    host, port = node.front.split(":")
    return host, int(port)


def upgrade(node, path="/live", *lines, leave_out=()):
    """The head of a handshake; `lines` replace those with the same name."""
    fields = {
        "Host": node.front, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }  # fmt: skip
    fields.update(line.split(": ", 1) for line in lines)
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if name not in leave_out)
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()


def connection(node):
    return socket.create_connection(address(node), LIMIT)


def raw(node, path="/live", *lines):
    """A socket behind its WebSocket handshake, for frames that no library would send."""
    wire = connection(node)
    wire.sendall(upgrade(node, path, *lines))
    stream = wire.makefile("rb")
    assert b" 101 " in stream.readline()
    while stream.readline() != b"\r\n":
        pass
    return wire, stream


def response(node, request):
    """What is answered to raw bytes until the connection ends: status (0 for none), fields, body."""
    with connection(node) as wire:
        wire.sendall(request)
        answer = b""
        try:
            while part := wire.recv(65_536):
                answer += part
        except ConnectionResetError:
            pass
    return parsed(answer)


def parsed(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split(" ")[1]) if first.startswith("HTTP/1.1 ") else 0, fields, body


def frame(stream):
    """The next frame: opcode and content; None at the end."""
    head = stream.read(2)
    if len(head) < 2:
        return None
    length = head[1] & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", stream.read(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", stream.read(8))
    return head[0] & 0x0F, stream.read(length)


def close_code(stream):
    """Reads the node's frames up to its close frame."""
    while True:
        opcode, content = frame(stream)
        if opcode == 8:
            return struct.unpack(">H", content[:2])[0]


def reset(wire):
    """Closes at once, with a reset and no port left waiting."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def raise_own_limit():
    """Lets this process open as many files as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Crowd:
    """Many sockets under one epoll. Each has a `talk`: a generator that is sent what comes (b"" at the end), and yields
    the bytes to send, or None; when it returns, its socket is done, and stays open unless it returns "close"."""

    def __init__(self, node, small_buffers=False):
        self.node = node
        self.small_buffers = small_buffers
        self.poll = select.epoll()
        self.wires = {}
        self.busy = 0

    def add(self, talk):
        wire = socket.socket()
        wire.setblocking(False)
        if self.small_buffers:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        wire.connect_ex(address(self.node))
        self.wires[wire.fileno()] = [wire, talk, b"", False]
        self.poll.register(wire.fileno(), select.EPOLLIN | select.EPOLLOUT)
        self.busy += 1

    def run(self, within=LIMIT * 4):
        """Until every talk is done."""
        deadline = time.monotonic() + within
        while self.busy:
            assert time.monotonic() < deadline, f"{self.busy} connections are not done within {within} s"
            for number, event in self.poll.poll(0.2, 4_096):
                self._step(number, event)

    def _step(self, number, event):
        entry = self.wires[number]
        wire, talk, rest, is_begun = entry
        came = None
        if event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            try:
                came = wire.recv(65_536)
            except BlockingIOError:
                came = None
            except OSError:
                came = b""
        try:
            if not is_begun:
                entry[3] = True
                rest += next(talk) or b""
            if came is not None:
                rest += talk.send(came) or b""
        except StopIteration as done:
            self.poll.unregister(number)
            self.busy -= 1
            if done.value == "close":
                wire.close()
                del self.wires[number]
            return
        if rest:
            try:
                rest = rest[wire.send(rest):]
            except BlockingIOError:
                pass
            except OSError:
                rest = b""
        entry[2] = rest
        wanted = select.EPOLLIN | (select.EPOLLOUT if rest else 0)
        self.poll.modify(number, wanted)

    def end(self):
        """Resets every connection that is still open."""
        self.poll.close()
        for wire, *_ in self.wires.values():
            reset(wire)
        self.wires = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def closed(node, reason):
    """How many connections the node has closed for this reason."""
    return node.metric("roost_connections_closed_total", reason=reason)


def refused(node, reason):
    """How many upgrades it has refused for this reason."""
    return node.metric("roost_websockets_refused_total", reason=reason)
