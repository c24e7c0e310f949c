"""A client of `/events` in plain HTTP: a thread reads lines, a test takes events, and every wait has a deadline."""

import http.client
import json
import queue
import socket
import threading

LIMIT = 30


class Events:
    """One stream. `status` is that of the response; `body` what it had when that was not 200."""

    def __init__(self, address, query="", headers=None, context=None):
        kind = http.client.HTTPConnection if context is None else http.client.HTTPSConnection
        more = {} if context is None else {"context": context}
        self._connection = kind(address, timeout=LIMIT, **more)
        self._connection.request("GET", f"/events{query}", headers=headers or {})
        self._socket = self._connection.sock  # the answer takes it along
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = self._answer.headers
        self.last_id = (headers or {}).get("Last-Event-ID")
        self.retry = None
        self.ended = False
        self.comments = 0
        self._taken = queue.Queue()
        self.body = None
        if self.status != 200:
            self.body = json.loads(self._answer.read())
            return
        # A stream may be silent for longer than any answer takes.
        self._socket.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        data, ident = [], None
        try:
            for line in self._answer:
                line = line.decode().rstrip("\r\n")
                name, _, value = line.partition(": ")
                if line == "":
                    if data or ident:
                        self._taken.put((ident, "\n".join(data) if data else None))
                    data, ident = [], None
                elif name == "data":
                    data.append(value)
                elif name == "id":
                    ident = value
                elif name == "retry":
                    self.retry = int(value)
                elif line.startswith(":"):
                    self.comments += 1
                else:
                    self._taken.put(AssertionError(f"a line that is none of ours: {line}"))
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass
        self._taken.put(None)

    def next(self, within=LIMIT):
        """The next event with data, as JSON; None at the end of the stream. Moves `last_id` as a browser does."""
        while True:
            try:
                taken = self._taken.get(timeout=within)
            except queue.Empty:
                raise AssertionError(f"no event within {within} s") from None
            if taken is None:
                self.ended = True
                return None
            if isinstance(taken, AssertionError):
                raise taken
            ident, data = taken
            if ident:
                self.last_id = ident
            if data is not None:
                return json.loads(data)

    def message(self, within=LIMIT):
        """The data of the next message; anything else is a failure."""
        event = self.next(within)
        assert event and event["type"] == "event", event
        return event["data"]

    def begun(self, within=LIMIT):
        """Waits for the first id: everything published from now on arrives."""
        ident, data = self._taken.get(timeout=within)
        assert ident and data is None, (ident, data)
        self.last_id = ident
        return self

    def close(self):
        """Ends the connection under the thread that reads, which then ends too."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already
