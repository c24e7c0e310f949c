"""`roost feed sqlite`: a real database's rows as tables of a cluster, through restarts and changes of the schema."""

import json
import sqlite3
import subprocess
import threading
from urllib.parse import quote

import pytest

from cluster import BINARY, eventually
from test_tables import changes, rows_of

LIMIT = 60


class Feeding:
    """A `roost feed sqlite` that runs, and the lines that it wrote."""

    def __init__(self, node, path, *flags):
        self.process = subprocess.Popen(
            [str(BINARY), "feed", "sqlite", str(path), "--url", f"http://{node.front}", "--interval", "20", *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.in_step = threading.Event()
        self.lines, self.errors = [], []
        for source, kept in ((self.process.stdout, self.lines), (self.process.stderr, self.errors)):
            threading.Thread(target=self._read, args=(source, kept), daemon=True).start()

    def _read(self, source, kept):
        with source:
            for line in source:
                kept.append(line.strip())
                if line.startswith("in step"):
                    self.in_step.set()

    def await_in_step(self):
        assert self.in_step.wait(LIMIT), self.errors
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(LIMIT)


def feed(node, path, *flags):
    """Runs a feed to its end. Returns (exit code, standard output, standard error)."""
    done = subprocess.run(
        [str(BINARY), "feed", "sqlite", str(path), "--url", f"http://{node.front}", *flags],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        """
        PRAGMA journal_mode = WAL;
        CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, price REAL);
        CREATE TABLE "odd "" name" (a TEXT, "b c" INTEGER, note BLOB, PRIMARY KEY (a, "b c")) WITHOUT ROWID;
        CREATE TABLE loose (n INTEGER);
        CREATE VIEW dear AS SELECT * FROM orders WHERE price > 100;
        INSERT INTO orders VALUES (1, 'ann', 9.5), (2, 'bob', 20);
        INSERT INTO "odd "" name" VALUES ('x', 7, x'00ff'), ('y', 8, NULL);
        """
    )
    yield path, connection
    connection.close()


def test_nothing_is_added_without_consent_and_everything_is_removed_again(node, database, topic):
    path, connection = database

    def schema():
        return connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()

    before = schema()
    code, _, error = feed(node, path, "--topic-prefix", f"{topic}/", "--once")
    assert code == 78 and "--install" in error and '"orders"' in error
    assert schema() == before
    code, output, error = feed(node, path, "--topic-prefix", f"{topic}/", "--once", "--install")
    assert code == 0, error
    assert output.splitlines() == ["published 4", "in step"] and '"loose" cannot be fed' in error
    assert schema() != before
    code, output, _ = feed(node, path, "--uninstall")
    assert (code, output) == (0, f"removed 6 triggers from {path}\n")
    assert [each for each in schema() if each[1] != "sqlite_sequence"] == before


def test_rows_and_their_changes_are_published_in_their_own_shape(node, database, attach, topic):
    path, connection = database
    with Feeding(node, path, "--topic-prefix", f"{topic}/", "--install") as feeding:
        feeding.await_in_step()
        orders = f"{topic}/orders"
        assert rows_of(node, orders) == {
            "1": {"id": 1, "customer": "ann", "price": 9.5}, "2": {"id": 2, "customer": "bob", "price": 20.0},
        }  # fmt: skip
        assert rows_of(node, f'{topic}/odd " name') == {
            '["x",7]': {"a": "x", "b c": 7, "note": {"base64": "AP8="}}, '["y",8]': {"a": "y", "b c": 8, "note": None},
        }  # fmt: skip
        reader = attach(node)
        reader.subscribe(orders, snapshot=False)
        connection.execute("INSERT INTO orders VALUES (3, 'carl', 1)")
        event = reader.event()
        assert (event["event"], event["source"], event["key"]) == ("create", "database", "3")
        assert event["data"] == {"type": orders, "id": "3", "attributes": {"id": 3, "customer": "carl", "price": 1.0}}
        connection.execute("UPDATE orders SET price = 2 WHERE id = 3")
        assert changes(reader, 1) == [("update", "3", {"id": 3, "customer": "carl", "price": 2.0})]
        connection.execute("UPDATE orders SET id = 4 WHERE id = 3")
        assert sorted(changes(reader, 2), key=str) == [
            ("create", "4", {"id": 4, "customer": "carl", "price": 2.0}), ("delete", "3", None),
        ]  # fmt: skip
        connection.execute("DELETE FROM orders WHERE id = 4")
        assert changes(reader, 1) == [("delete", "4", None)]
        with connection:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO orders VALUES (5, 'never', 1)")
            connection.execute("ROLLBACK")
        connection.execute("ALTER TABLE orders ADD COLUMN paid INTEGER DEFAULT 0")
        came = {key: value for _, key, value in changes(reader, 2)}
        assert came == {
            "1": {"id": 1, "customer": "ann", "price": 9.5, "paid": 0},
            "2": {"id": 2, "customer": "bob", "price": 20.0, "paid": 0},
        }  # fmt: skip
        connection.execute("CREATE TABLE later (k TEXT PRIMARY KEY)")
        connection.execute("INSERT INTO later VALUES ('new')")
        eventually(
            "a table that was made meanwhile is fed",
            lambda: node.call("GET", f"/api/v1/tables/{quote(topic + '/later', safe='')}/new")[0] == 200,
        )
        connection.execute("DROP TABLE later")
        eventually("its rows have ended", lambda: rows_of(node, f"{topic}/later") == {})
        reader.expect_nothing_more()


def test_what_changed_while_nobody_fed_is_told_once_and_nothing_twice(node, database, attach, topic):
    path, connection = database
    flags = ("--table", "orders", "--topic-prefix", f"{topic}/")
    reader, came = None, []
    for round_ in range(3):
        with Feeding(node, path, *flags, *(["--install"] if round_ == 0 else [])) as feeding:
            feeding.await_in_step()
            if reader is None:
                reader = attach(node)
                reader.subscribe(f"{topic}/orders", snapshot=False)
            first = 1_000 * round_ + 100
            for number in range(50):
                connection.execute("INSERT INTO orders VALUES (?, 'x', ?)", (first + number, number))
            while len(keys := [key for event, key, _ in came if event == "create" and int(key) >= first]) < 25:
                came += changes(reader, 1)
            assert keys == [str(first + number) for number in range(25)]
        # Killed with changes that may or may not have been told; more come while nobody runs.
        connection.execute("UPDATE orders SET price = ? WHERE id = 1", (round_,))
        connection.execute("DELETE FROM orders WHERE id >= ?", (1_000 * round_ + 100,))
    assert feed(node, path, *flags, "--once")[0] == 0
    wanted = {str(row[0]): row[2] for row in connection.execute("SELECT * FROM orders")}
    assert {key: row["price"] for key, row in rows_of(node, f"{topic}/orders").items()} == wanted
    assert connection.execute("SELECT count(*) FROM _roost_changes").fetchone() == (0,)
    assert feed(node, path, *flags, "--once") == (0, "in step\n", "")
    # Every event changed something: no state was told twice in a row.
    reader.ask("list-topic")
    while not reader.events.empty():
        frame = reader.events.get_nowait()
        if frame["type"] == "event":
            came.append((frame["event"], frame["key"], frame["data"]["attributes"]))
    seen = {}
    for _, key, value in came:
        assert seen.get(key, "nothing") != json.dumps(value), (key, value)
        seen[key] = json.dumps(value)


def test_what_cannot_be_fed_is_said(node, database, tmp_path, topic):
    path, connection = database
    for flags, words in [
        (("--table", "loose"), "no primary key"), (("--table", "nowhere"), 'no table "nowhere"'),
        (("--topic-prefix", "a+b/"), "can be no topic"),
    ]:  # fmt: skip
        code, _, error = feed(node, path, "--once", "--install", *flags)
        if flags[0] == "--table":
            assert code == 78
        assert words in error
    assert feed(node, tmp_path / "missing.db", "--once")[0] == 78
    other = tmp_path / "other.db"
    other.write_text("this is no database at all, but a text of some length" * 50)
    code, _, error = feed(node, other, "--once")
    assert code == 78 and "no SQLite database" in error
    node.call("POST", "/api/v1/topics", {"name": f"{topic}/orders"})
    code, _, error = feed(node, path, "--once", "--install", "--table", "orders", "--topic-prefix", f"{topic}/")
    assert code == 78 and "is no table" in error


def test_a_feed_goes_on_when_its_node_comes_back_or_at_another(fresh_three, database, topic):
    path, connection = database
    flags = ["--url", f"http://{fresh_three[1].front}", "--table", "orders", "--topic-prefix", f"{topic}/", "--install"]
    with Feeding(fresh_three[0], path, *flags, "--ack", "replicated") as feeding:
        feeding.await_in_step()
        fresh_three[0].kill()
        connection.execute("INSERT INTO orders VALUES (7, 'dan', 7)")
        eventually("another node has it", lambda: "7" in rows_of(fresh_three[1], f"{topic}/orders"))
        fresh_three[1].kill()
        connection.execute("INSERT INTO orders VALUES (8, 'eve', 8)")
        fresh_three[0].start()
        fresh_three[1].start()
        eventually("both are back", lambda: "8" in rows_of(fresh_three[2], f"{topic}/orders"))
