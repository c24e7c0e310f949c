"""What Tools/bench sql measures: SQL over a topic beside the sqlite3 shell over the same rows in a plain table; one run,
in turn, medians and ratios."""

import argparse
import json
import socket
import sqlite3
import statistics
import struct
import subprocess
import time
import urllib.request
from pathlib import Path

from servers import Roost, first_match

CURRENCIES = ["EUR", "USD", "GBP", "CHF", "JPY", "SEK", "NOK"]
CUSTOMERS = 1_000
#: What is asked of both.
QUESTIONS = [
    ("count by currency", "SELECT count(*), currency FROM payments GROUP BY currency ORDER BY currency"),
    ("LIMIT 100", "SELECT currency, amount, customer FROM payments LIMIT 100"),
    (
        "join",
        "SELECT c.country, count(*), sum(p.amount) FROM payments p JOIN customers c ON p.customer = c.id"
        " GROUP BY c.country ORDER BY c.country",
    ),
]


def payment(number):
    return {
        "currency": CURRENCIES[number % len(CURRENCIES)],
        "amount": number % 10_000,
        "customer": number * 7_919 % CUSTOMERS,
        "note": f"payment {number}",
    }


def customer(number):
    return {"id": number, "country": f"country {number % 40}"}


def frame(text):
    """A masked frame of one text."""
    data = text.encode()
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    return b"\x81" + length + bytes(4) + data


def request(method, number=None, **attributes):
    text = {"method": method, "attributes": attributes}
    if number is not None:
        text["id"] = number
    return frame(json.dumps(text, separators=(",", ":")))


class Filler:
    """A connection at /live that publishes without waiting for answers."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(
            b"GET /live HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        self.rest = b""

    def await_answer(self, number):
        wanted = b'"id":%d,' % number
        while wanted not in self.rest:
            data = self.socket.recv(1 << 16)
            if not data:
                raise RuntimeError("the node has closed the connection")
            self.rest = self.rest[-200:] + data
        if b'"ok":false' in self.rest[self.rest.index(wanted) :]:
            raise RuntimeError(f"refused: {self.rest!r}")
        self.rest = b""

    def fill(self, topic, messages):
        self.socket.sendall(request("create-topic", 1, topicName=topic))
        self.await_answer(1)
        batch = []
        for message in messages:
            batch.append(request("publish", topicName=topic, message=message))
            if len(batch) == 1_000:
                self.socket.sendall(b"".join(batch))
                batch.clear()
        last = batch.pop() if batch else None
        self.socket.sendall(b"".join(batch))
        if last is not None:
            self.socket.sendall(last)
        self.socket.sendall(request("get-topic", 2, topicName=topic))
        self.await_answer(2)


def ask(port, sql):
    """Roost's answer, and how long it took."""
    body = json.dumps({"sql": sql}).encode()
    call = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/query", body, {"Content-Type": "application/json"}
    )
    begun = time.perf_counter()
    with urllib.request.urlopen(call) as answer:
        text = answer.read()
    return json.loads(text)["data"]["rows"], time.perf_counter() - begun


def ask_shell(path, sql):
    begun = time.perf_counter()
    done = subprocess.run(["sqlite3", "-json", str(path), sql], capture_output=True, text=True, check=True)
    return [list(row.values()) for row in json.loads(done.stdout)], time.perf_counter() - begun


def fill_tables(path, messages):
    """The same rows in a plain table of columns."""
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE payments (currency TEXT, amount INTEGER, customer INTEGER, note TEXT)")
        base.execute("CREATE TABLE customers (id INTEGER, country TEXT)")
        base.executemany(
            "INSERT INTO payments VALUES (:currency, :amount, :customer, :note)", map(payment, range(messages))
        )
        base.executemany("INSERT INTO customers VALUES (:id, :country)", map(customer, range(CUSTOMERS)))


def main():
    parser = argparse.ArgumentParser(prog="Tools/bench sql")
    parser.add_argument("--messages", type=int, default=1_000_000, help="in the topic that is asked (default 1000000)")
    parser.add_argument("--topics", type=int, default=1_000, help="topics in all (default 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each question (default 3)")
    options = parser.parse_args()
    with Roost(None) as server:
        folder = Path(server._folder.name)
        filler = Filler(server.port)
        print(f"Filling {options.messages:,} messages into one topic of {options.topics:,}…", flush=True)
        begun = time.perf_counter()
        filler.fill("payments", map(payment, range(options.messages)))
        filler.fill("customers", map(customer, range(CUSTOMERS)))
        for number in range(options.topics - 2):
            filler.fill(f"other/{number}", [payment(number)])
        print(f"  {time.perf_counter() - begun:.0f} s", flush=True)
        tables = folder / "plain.sqlite"
        fill_tables(tables, options.messages)
        version = first_match(r"^(\S+)", "sqlite3", "--version")
        print(
            f"\nSQL over a topic of {options.messages:,} messages, beside the sqlite3 shell {version} over the same rows in a"
            f" plain table; {options.rounds} rounds in turn, medians.\n\n"
            f"  {'':20}{'roost':>10}{'sqlite3':>10}{'ratio':>8}"
        )
        for name, sql in QUESTIONS:
            times, of_table = [], []
            for _ in range(options.rounds):
                rows, took = ask(server.port, sql)
                times.append(took)
                expected, took = ask_shell(tables, sql)
                of_table.append(took)
                if rows != expected:
                    raise SystemExit(f"{name}: the answers differ: {rows[:3]} and {expected[:3]}")
            one, other = statistics.median(times), statistics.median(of_table)
            print(f"  {name:20}{one:9.3f}s{other:9.3f}s{one / other:8.1f}", flush=True)


if __name__ == "__main__":
    main()
