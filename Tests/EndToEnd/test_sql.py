"""SQL over topics: by REST and by the command line, held against SQLite itself where both can answer."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from urllib.parse import quote

import pytest
from websockets.sync.client import connect

from cluster import Cluster
from test_command_line import roost, well
from tokens import guarding, token

PAYMENTS = [
    {"id": n, "currency": ["EUR", "USD", "NOK"][n % 3], "amount": n * 1.5, "merchant": {"name": f"m{n % 7}", "id": n % 7}}
    for n in range(200)
]
MERCHANTS = [{"id": n, "city": ["Oslo", "Bergen"][n % 2]} for n in range(6)]


def publish(node, topic, messages, key=None):
    node.call("POST", "/api/v1/topics", {"name": topic})
    for message in messages:
        body = {"message": message} | ({"key": str(message[key])} if key else {})
        status, answer = node.call("POST", f"/api/v1/topics/{quote(topic, safe='')}/messages", body)
        assert status == 201, answer


@pytest.fixture(scope="module")
def loaded():
    with Cluster(1) as cluster:
        publish(cluster[0], "payments", PAYMENTS, key="id")
        publish(cluster[0], "merchants", MERCHANTS)
        yield cluster[0]


@pytest.fixture(scope="module")
def plain():
    """The same rows in plain tables."""
    database = sqlite3.connect(":memory:")
    database.execute('CREATE TABLE payments(id, currency, amount, "merchant.name", "merchant.id")')
    database.executemany(
        "INSERT INTO payments VALUES (?, ?, ?, ?, ?)",
        [(p["id"], p["currency"], p["amount"], p["merchant"]["name"], p["merchant"]["id"]) for p in PAYMENTS],
    )
    database.execute("CREATE TABLE merchants(id, city)")
    database.executemany("INSERT INTO merchants VALUES (?, ?)", [(m["id"], m["city"]) for m in MERCHANTS])
    return database


def ask(node, sql, params=None):
    status, answer = node.call("POST", "/api/v1/query", {"sql": sql} | ({} if params is None else {"params": params}))
    if status != 200 or not answer["success"]:
        return status, answer["error"]["code"], answer["error"]["message"]
    assert answer["data"]["row_count"] == len(answer["data"]["rows"])
    return answer["data"]["columns"], answer["data"]["rows"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM payments ORDER BY id",
        "SELECT count(*), currency FROM payments GROUP BY currency ORDER BY currency",
        "SELECT id FROM payments WHERE amount > 290 ORDER BY id DESC LIMIT 3;",
        "SELECT p.id, m.city FROM payments p JOIN merchants m ON m.id = p.merchant.id ORDER BY p.id",
        "SELECT m.city, sum(amount) AS total FROM payments p LEFT JOIN merchants m ON m.id = p.merchant.id GROUP BY 1 ORDER BY total",
        "SELECT id, sum(amount) OVER (PARTITION BY currency ORDER BY id) AS running FROM payments ORDER BY id LIMIT 20",
        "WITH big AS (SELECT merchant.name AS name, amount FROM payments WHERE amount > 100) SELECT name, count(*) FROM big GROUP BY name ORDER BY name",
        "SELECT a.id FROM payments a WHERE EXISTS (SELECT 1 FROM merchants m WHERE m.id = a.id) ORDER BY a.id",
        "SELECT substr(currency, 1, 1) AS letter, count(*) FROM payments GROUP BY letter ORDER BY letter",
        "SELECT count(*) FROM payments a JOIN payments b USING (currency)",
    ],
)
def test_answers_are_those_of_sqlite(loaded, plain, sql):
    expected = plain.execute(re.sub(r"\b(?:p\.)?(merchant\.(?:name|id))", r'"\1"', sql))
    columns, rows = ask(loaded, sql)
    assert columns == [each[0] for each in expected.description]
    assert rows == [list(row) for row in expected]


def test_every_message_has_its_metadata(loaded):
    columns, rows = ask(loaded, "SELECT _key, _offset, _event, _timestamp, json_extract(_value, '$.currency') FROM payments LIMIT 2")
    assert columns[:4] == ["_key", "_offset", "_event", "_timestamp"]
    assert [row[:3] + row[4:] for row in rows] == [["0", 1, "new-message", "EUR"], ["1", 2, "new-message", "USD"]]
    middle = ask(loaded, "SELECT _timestamp FROM payments ORDER BY _timestamp LIMIT 1 OFFSET 100")[1][0][0]
    later = ask(loaded, "SELECT count(*) FROM payments WHERE _timestamp >= ?", [middle])[1][0][0]
    assert later == len([t for (t,) in ask(loaded, "SELECT _timestamp FROM payments")[1] if t >= middle])


def test_parameters_have_places_or_names(loaded):
    assert ask(loaded, "SELECT id FROM payments WHERE id = ? OR id = ?", [3, 5])[1] == [[3], [5]]
    assert ask(loaded, "SELECT id FROM payments WHERE currency = :c AND id < $n", {"c": "EUR", "n": 4})[1] == [[0], [3]]
    assert ask(loaded, "SELECT id FROM payments WHERE id = ?")[:2] == (400, "QUERY_ERROR")
    assert "\"n\" has no value" in ask(loaded, "SELECT :n", {})[2]


@pytest.mark.parametrize(
    "sql, code",
    [
        ("DELETE FROM payments", "QUERY_ERROR"),
        ("SELECT 1; SELECT 2", "QUERY_ERROR"),
        ("ATTACH '/tmp/x' AS x", "QUERY_ERROR"),
        ("PRAGMA temp_store", "QUERY_ERROR"),
        ("WITH a AS (SELECT 1) DELETE FROM payments", "QUERY_ERROR"),
        ("SELECT load_extension('x')", "QUERY_ERROR"),
        ("SELECT * FROM sqlite_master", "TABLE_NOT_FOUND"),
        ("SELECT * FROM pragma_database_list()", "QUERY_ERROR"),
        ("SELECT nonsense( FROM payments", "QUERY_ERROR"),
        ("SELECT * FROM nowhere", "TABLE_NOT_FOUND"),
        ("SELECT zeroblob(100000000)", "QUERY_ERROR"),
    ],
)
def test_what_is_no_reading_query_is_refused(loaded, sql, code):
    assert ask(loaded, sql)[1] == code


def test_a_limit_ends_a_query_and_says_so():
    with Cluster(1, "--limits-query-seconds", "1", "--limits-query-rows", "5") as cluster:
        publish(cluster[0], "payments", PAYMENTS[:20])
        answer = cluster[0].call("POST", "/api/v1/query", {"sql": "SELECT id FROM payments"})[1]["data"]
        assert len(answer["rows"]) == 5 and "5 rows" in answer["limit"]
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        answer = cluster[0].call("POST", "/api/v1/query", {"sql": endless})[1]["data"]
        assert answer["rows"] == [] and "longer than the 1000 ms" in answer["limit"]


def test_a_repeated_message_is_one_row_and_an_ended_one_is_none(loaded):
    path = "/api/v1/topics/repeats/messages"
    loaded.call("POST", "/api/v1/topics", {"name": "repeats"})
    for body in [{"message": {"n": 1}, "messageId": "a"}, {"message": {"n": 1}, "messageId": "a"}, {"message": {"n": 2}, "ttl": 1}]:
        assert loaded.call("POST", path, body)[0] == 201
    assert ask(loaded, "SELECT n FROM repeats WHERE n = 1")[1] == [[1]]


def test_the_command_line_shows_a_table_or_json(loaded):
    text = well(roost(loaded, "query", "SELECT id, currency FROM payments WHERE id < ?", "-p", "2"))
    assert [line.split() for line in text.splitlines()] == [["id", "currency"], ["0", "EUR"], ["1", "USD"]]
    lines = well(roost(loaded, "query", "SELECT id, amount FROM payments LIMIT 2", "--json")).splitlines()
    assert [json.loads(line) for line in lines] == [{"id": 0, "amount": 0.0}, {"id": 1, "amount": 1.5}]


# Lenses


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A node that wants tokens, with payments."""
    with Cluster(1, *guarding(tmp_path_factory.mktemp("guarded")), token=token("root", roles=["admin"])) as cluster:
        publish(cluster[0], "input", PAYMENTS[:120], key="id")
        yield cluster[0]


def lenses(node, request, form="/api/v1/environments/demo/proxy/api/ws/v2/sql/execute"):
    headers = {"Authorization": "Bearer " + node.token} if node.token else {}
    return connect(f"ws://{node.front}{form}", additional_headers=headers), json.dumps(request)


def conversation(node, request, **options):
    connection, text = lenses(node, request, **options)
    with connection:
        connection.send(text)
        return [json.loads(message) for message in connection]


def test_the_program_of_the_document_runs_as_it_stands(guarded, tmp_path):
    document = (os.path.dirname(__file__) + "/fixtures/lenses-websocket-spec.md")
    program = re.search(r"```python\n(.*?)```", open(document).read(), re.DOTALL).group(1)
    file = tmp_path / "program.py"
    file.write_text(program)
    result = subprocess.run(
        [sys.executable, str(file)], env=os.environ | {"HQ_HOST": guarded.front, "HQ_TOKEN": guarded.token},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    records = eval(result.stdout)
    assert len(records) == 100
    assert records[1]["data"]["value"] == PAYMENTS[1] and records[1]["data"]["key"] == 1
    assert records[1]["data"]["metadata"]["offset"] == 2 and records[1]["data"]["rownum"] == 1


@pytest.mark.parametrize(
    "form",
    ["/environment/demo/proxy/api/ws/v2/sql/execute", "/api/v1/environments/demo/proxy/api/ws/v2/sql/execute"],
)
def test_lenses_messages_come_in_their_order(loaded, form):
    heard = conversation(loaded, {"sql": "SELECT id, merchant.name FROM payments LIMIT 2", "stats": 2}, form=form)
    assert [each["type"] for each in heard if each["type"] != "STATS"] == ["METADATA", "RECORD", "RECORD", "END"]
    stats = [each["data"] for each in heard if each["type"] == "STATS"][-1]
    assert stats["results"] == 2 and list(stats["sources"].values()) == ["payments"]
    record = [each for each in heard if each["type"] == "RECORD"][1]
    assert record["data"]["value"] == {"id": 1, "name": "m1"} and "key" not in record["data"]
    assert set(record["data"]["metadata"]) == {"offset", "partition", "timestamp", "__keysize", "__valuesize"}


def test_lenses_aggregates_have_neither_key_nor_metadata(loaded):
    heard = conversation(loaded, {"sql": "SELECT count(*), currency FROM payments GROUP BY currency"})
    records = [each["data"] for each in heard if each["type"] == "RECORD"]
    assert sorted((each["value"]["currency"], each["value"]["count"]) for each in records) == [("EUR", 67), ("NOK", 66), ("USD", 67)]
    assert all(set(each) == {"value", "rownum"} for each in records)


def test_lenses_says_errors_and_thresholds(loaded):
    heard = conversation(loaded, {"sql": "SELECT * FROM nowhere"})
    assert [each["type"] for each in heard] == ["ERROR", "END"] and "TABLE_NOT_FOUND" in heard[0]["data"]
    heard = conversation(loaded, {"sql": "SET max.size = 1k; SELECT * FROM payments"})
    assert [each["type"] for each in heard[-2:]] == ["SENTINEL", "END"]
    assert heard[-2]["data"]["reason"]["type"] == "max.size" and heard[-2]["data"]["reason"]["amount"] == 1024
    heard = conversation(loaded, {"sql": "SET max.idle.time = 300ms; SELECT * FROM merchants", "live": True})
    assert [each["type"] for each in heard].count("RECORD") == len(MERCHANTS)
    assert heard[-2]["data"]["reason"]["type"] == "max.idle.time"


def test_lenses_live_queries_go_on(loaded):
    publish(loaded, "ticks", [{"n": 0, "kind": "a"}])
    connection, text = lenses(loaded, {"sql": "SELECT n FROM ticks", "live": True})
    groups, grouping = lenses(loaded, {"sql": "SELECT kind, count(*) FROM ticks GROUP BY kind", "live": True})

    def record(client):
        while True:
            message = json.loads(client.recv(timeout=60))
            if message["type"] == "RECORD":
                return message["data"]["value"]

    with connection, groups:
        connection.send(text)
        groups.send(grouping)
        assert record(connection) == {"n": 0} and record(groups) == {"kind": "a", "count": 1}
        publish(loaded, "ticks", [{"n": 1, "kind": "a"}])
        assert record(connection) == {"n": 1} and record(groups) == {"kind": "a", "count": 2}
        publish(loaded, "ticks", [{"n": 2, "kind": "b"}])
        assert record(connection) == {"n": 2} and record(groups) == {"kind": "b", "count": 1}
