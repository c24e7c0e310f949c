"""JavaScript for the tests: programs of Node, and a Chromium without a window, driven over its DevTools protocol."""

import base64
import functools
import http.server
import itertools
import json
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from websockets.sync.client import connect

from cluster import eventually

FIXTURES = Path(__file__).parent / "fixtures"
MODULES = Path("/usr/share/nodejs")  # where Debian puts packages for Node
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
LIMIT = 60

needs_node = pytest.mark.skipif(
    not (shutil.which("node") and (MODULES / "ws").exists()),
    reason="Node and its package ws (Debian: nodejs, node-ws) are missing",
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian: chromium)")
needs_react = pytest.mark.skipif(
    not ((MODULES / "react/umd").exists() and (MODULES / "react-dom/umd").exists()),
    reason="React is missing (Debian: node-react, node-react-dom)",
)


class Program:
    """A program of Node that says what happens as JSON values, a line each: `[what, value]`."""

    def __init__(self, name, *arguments, text=None):
        self.said = []
        self._lines = queue.Queue()
        self.process = subprocess.Popen(
            ["node", str(FIXTURES / name), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if text is not None:
            self.process.stdin.write(text)
            self.process.stdin.close()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def until(self, what, count=1, within=LIMIT):
        """Reads on until it has said `what` so often; returns all values of that kind."""
        deadline = time.monotonic() + within
        while len(self.of(what)) < count:
            try:
                line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {what} ({count}) within {within} s; it said: {self.said[-20:]}") from None
            assert line is not None, f"the program ended before {what} ({count}); it said: {self.said[-20:]}"
            self.said.append(json.loads(line) if line.startswith("[") else ["words", line])
        return self.of(what)

    def of(self, what):
        return [value for kind, value in self.said if kind == what]

    def end(self):
        self.process.kill()
        self.process.wait()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Browser:
    """A Chromium with one page."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="roost-browser-", ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={self._folder.name}",
             "--window-size=400,700", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._ids = itertools.count(1)
        self._page = None
        self._servers = []
        self._stack = None
        self.trouble = []  # what the page threw and what it logged as an error
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _address(self):
        """Its port and path, once it has said both: the file is there a moment before they are."""
        told = Path(self._folder.name) / "DevToolsActivePort"
        lines = told.read_text().split("\n") if told.exists() else []
        return lines if len(lines) > 1 and lines[1] else None

    def _attach(self):
        port, path = eventually("Chromium listens", self._address, LIMIT)[:2]
        self._stack = connect(f"ws://127.0.0.1:{port}{path}", max_size=None)
        self._socket = self._stack.__enter__()
        targets = self._ask("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        self._page = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask("Runtime.enable")
        self._ask("Page.enable")

    def _ask(self, method, **params):
        ident = next(self._ids)
        frame = {"id": ident, "method": method, "params": params}
        if self._page:
            frame["sessionId"] = self._page
        self._socket.send(json.dumps(frame))
        deadline = time.monotonic() + LIMIT
        while True:
            answer = json.loads(self._socket.recv(timeout=max(0.01, deadline - time.monotonic())))
            if answer.get("method") == "Runtime.exceptionThrown":
                details = answer["params"]["exceptionDetails"]
                self.trouble.append(details.get("exception", {}).get("description", details))
            if answer.get("id") == ident:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def open(self, url):
        self._ask("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def open_folder(self, folder):
        """Opens the index.html of a folder, which is served as long as the browser lives."""
        serve = functools.partial(_Quiet, directory=folder)
        self._servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve))
        threading.Thread(target=self._servers[-1].serve_forever, daemon=True).start()
        self.open(f"http://127.0.0.1:{self._servers[-1].server_port}/")

    def run(self, source):
        """The value of a JavaScript expression in the page; a promise is awaited."""
        answer = self._ask("Runtime.evaluate", expression=source, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, source, within=LIMIT):
        """Asks the page until the expression is true."""
        try:
            return eventually(source, lambda: self.run(f"Boolean({source})"), within)
        except AssertionError as error:
            raise AssertionError(f"{error}; the page threw {self.trouble}; it shows: {self.text()}") from None

    def text(self):
        return self.run("document.body.innerText")

    def picture(self, path):
        Path(path).write_bytes(base64.b64decode(self._ask("Page.captureScreenshot")["data"]))

    def close(self):
        for server in self._servers:
            server.shutdown()
            server.server_close()
        if self._stack:
            self._stack.__exit__(None, None, None)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._folder.cleanup()
