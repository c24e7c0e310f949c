"""A client of `/live`, for tests: a thread reads, a test asks and takes, and every wait has a deadline."""

import itertools
import json
import queue
import threading
from contextlib import ExitStack, contextmanager

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

LIMIT = 30


class Refused(Exception):
    """What a node answered with `ok: false`."""

    def __init__(self, frame):
        super().__init__(f"{frame.get('code')}: {frame.get('error')}")
        self.code = frame.get("code")


class Gone(Exception):
    """The connection is closed; `code` and `reason` say how."""

    def __init__(self, code, reason):
        super().__init__(f"closed with {code} {reason}")
        self.code = code


class Live:
    """One connection. `events` are deliveries and what belongs to them (cursors, gaps), in the order of arrival."""

    def __init__(self, node, token=None, compression="deflate"):
        query = f"?token={token}" if token else ""
        self._connection = ExitStack()
        self.socket = self._connection.enter_context(
            connect(
                f"{node.url}/live{query}", max_size=None, max_queue=None, open_timeout=LIMIT, compression=compression
            )
        )
        self.session = json.loads(self.socket.recv(LIMIT))
        assert self.session["type"] == "session", self.session
        self.events = queue.Queue()
        self.others = queue.Queue()
        self.cursor = {}
        self._ids = itertools.count(1)
        self._answers = {}
        self._closed = None
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for text in self.socket:
                frame = json.loads(text)
                if frame["type"] in ("event", "cursor", "gap"):
                    self.events.put(frame)
                elif frame["type"] == "response" and frame.get("id") in self._answers:
                    self._answers[frame["id"]].put(frame)
                else:
                    self.others.put(frame)
        except ConnectionClosed:
            pass
        code, reason = self.socket.close_code, self.socket.close_reason
        self._closed = Gone(code, reason)
        for each in (self.events, self.others, *list(self._answers.values())):
            each.put(self._closed)

    @staticmethod
    def _take(source, within, what):
        try:
            taken = source.get(timeout=within)
        except queue.Empty:
            raise AssertionError(f"{what}: nothing within {within} s") from None
        if isinstance(taken, Gone):
            source.put(taken)
            raise taken
        return taken

    def send(self, frame):
        """Sends a value as JSON, or text and bytes as they are."""
        self.socket.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))

    def ask(self, method, within=LIMIT, **attributes):
        """Asks, and returns the response's data; raises Refused."""
        return self.ask_for(1, method, within, **attributes)[0]

    def ask_for(self, count, method, within=LIMIT, **attributes):
        """As `ask`, for a method that is answered with one response per topic."""
        return [self._data(frame) for frame in self._answers_to(count, method, within, attributes)]

    @staticmethod
    def _data(frame):
        if not frame["ok"]:
            raise Refused(frame)
        return frame["data"]

    def _answers_to(self, count, method, within, attributes):
        ident = f"q{next(self._ids)}"
        answers = self._answers[ident] = queue.Queue()
        if self._closed:
            raise self._closed
        try:
            self.send({"id": ident, "method": method, "attributes": attributes})
        except ConnectionClosed as error:
            raise Gone(self.socket.close_code, self.socket.close_reason) from error
        try:
            return [self._take(answers, within, f"an answer to {method}") for _ in range(count)]
        finally:
            del self._answers[ident]

    def create(self, topic, **attributes):
        return self.ask("create-topic", topicName=topic, **attributes)

    def publish(self, topic, message, **attributes):
        return self.ask("publish", topicName=topic, message=message, **attributes)

    def subscribe(self, topic, **attributes):
        """Subscribes and takes over the cursor in the reply, as a client must."""
        data = self.ask("subscribe", topicName=topic, **attributes)
        wild = "+" in topic or "#" in topic
        for name, cursor in (data["cursor"] if wild else {topic: data["cursor"]}).items():
            self.cursor[name] = dict(cursor)
        return data

    def history(self, topic):
        """Every stored message, page by page."""
        messages, since, more = [], "beginning", True
        while more:
            page = self.ask("history", topicName=topic, since=since, limit=1_000)
            messages += page["messages"]
            assert page["messages"] or not page["more"], "an empty page that promises more"
            since, more = page["cursor"], page["more"]
        return messages

    def event(self, within=LIMIT):
        """The next message. Moves the cursor; fails on a gap, and on a jump that nobody announced."""
        while True:
            frame = self._take(self.events, within, "an event")
            place = self.cursor.setdefault(frame["topic"], {})
            if frame["type"] == "cursor":
                place.update(frame["cursor"])
                continue
            assert frame["type"] != "gap", f"a gap: {frame}"
            expected = place.get(frame["partition"], 0) + 1
            assert frame["offset"] == expected, f"expected offset {expected}, got {frame}"
            place[frame["partition"]] = frame["offset"]
            return frame

    def take(self, count, within=LIMIT):
        """The next messages, each within the limit."""
        return [self.event(within) for _ in range(count)]

    def other(self, within=LIMIT):
        """The next frame that is neither an event nor an answer to `ask`."""
        return self._take(self.others, within, "a frame")

    def expect_close(self, within=LIMIT):
        """Waits for the node to close, and returns its code."""
        while True:
            try:
                self.other(within)
            except Gone as gone:
                return gone.code

    def expect_nothing_more(self):
        """No event is on its way: a round trip later than all that was published has passed it."""
        self.ask("list-topic", within=LIMIT)
        assert self.events.empty(), self.events.get_nowait()

    def close(self):
        self._connection.close()


@contextmanager
def live(node, token=None, **options):
    client = Live(node, token, **options)
    try:
        yield client
    finally:
        client.close()
