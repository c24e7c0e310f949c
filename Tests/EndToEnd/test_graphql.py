"""GraphQL by a client library that others wrote: `gql` fetches the schema, queries, mutates and subscribes."""

import asyncio
import json

import pytest
from gql import Client, gql
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from graphql import GraphQLObjectType, print_schema
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tokens import token

LIMIT = 30


def client(node, **init):
    transport = WebsocketsTransport(f"{node.url}/graphql/ws", init_payload=init)
    return Client(transport=transport, fetch_schema_from_transport=True)


def ask(text, **variables):
    """A request with its variables."""
    request = gql(text)
    request.variable_values = variables
    return request


def run(body):
    return asyncio.run(asyncio.wait_for(body, LIMIT))


def test_the_library_fetches_the_schema_and_checks_requests_by_it(node):
    async def body():
        async with client(node) as session:
            return session.client.schema

    schema = run(body())
    assert isinstance(schema.type_map["Message"], GraphQLObjectType)
    assert set(schema.query_type.fields) == {"topics", "topic", "history", "cluster", "metrics"}
    assert set(schema.mutation_type.fields) == {"publish", "createTopic", "destroyTopic"}
    assert set(schema.subscription_type.fields) == {"messages", "presence", "metricUpdated"}
    assert "where: MessageFilter" in print_schema(schema)


def test_the_library_queries_mutates_and_subscribes_at_any_node(three, topic, attach):
    create = "mutation ($name: String!) { createTopic(name: $name) { name kind } }"
    follow = "subscription ($topic: String!, $since: JSON) { messages(topic: $topic, since: $since) { data user offset } }"
    publish = (
        "mutation ($topic: String!, $message: JSON!) {"
        " publish(topic: $topic, message: $message, ack: REPLICATED) { ...Place ack } }"
        " fragment Place on Receipt { id offset }"
    )
    history = (
        "query ($topic: String!) { history(topic: $topic, last: 2) { messages { data } more }"
        " topic(name: $topic) { messages } }"
    )

    async def body():
        async with client(three[0]) as writer, client(three[1]) as reader:
            made = await writer.execute(ask(create, name=topic))
            assert made == {"createTopic": {"name": topic, "kind": "STREAM"}}
            while not (await reader.execute(gql("{ topics { name } }")))["topics"]:
                await asyncio.sleep(0.05)
            receipt = None
            for number in range(3):
                receipt = await writer.execute(ask(publish, topic=topic, message={"n": number}))
            assert receipt["publish"]["offset"] == 3 and receipt["publish"]["ack"] == "REPLICATED"
            got = []
            async for event in reader.subscribe(ask(follow, topic=topic, since="beginning")):
                got.append(event["messages"]["data"]["n"])
                if len(got) == 3:
                    # A client of another API, at another node, on the same topic.
                    attach(three[2]).publish(topic, {"n": 3})
                if len(got) == 4:
                    break
            assert got == [0, 1, 2, 3]
            said = await reader.execute(ask(history, topic=topic))
            assert [each["data"]["n"] for each in said["history"]["messages"]] == [2, 3]
            assert said["history"]["more"] is True and said["topic"]["messages"] == 4

    run(body())


def test_two_subscriptions_of_one_connection_to_one_topic_keep_their_own_places_and_conditions(node, topic, attach):
    writer = attach(node)
    writer.create(topic)
    for number in range(4):
        writer.publish(topic, {"n": number, "even": number % 2 == 0})
    text = (
        "subscription ($topic: String!, $where: MessageFilter) {"
        ' messages(topic: $topic, since: "beginning", where: $where) { data } }'
    )

    async def take(session, where, count):
        got = []
        async for event in session.subscribe(ask(text, topic=topic, where=where)):
            got.append(event["messages"]["data"]["n"])
            if len(got) == count:
                return got

    async def body():
        async with client(node) as session:
            return await asyncio.gather(take(session, None, 4), take(session, {"fields": {"even": True}}, 2))

    assert run(body()) == [[0, 1, 2, 3], [0, 2]]


def test_figures_come_once_a_second(node):
    async def body():
        async with client(node) as session:
            got = []
            async for event in session.subscribe(gql("subscription { metricUpdated { cpu memory connections } }")):
                got.append(event["metricUpdated"])
                if len(got) == 2:
                    return got

    for figures in run(body()):
        assert figures["memory"] > 1_000_000 and figures["connections"] >= 1 and figures["cpu"] >= 0


def test_errors_have_a_path_a_place_and_a_code(node):
    async def body():
        async with client(node) as session:
            with pytest.raises(TransportQueryError) as refused:
                await session.execute(gql('{ nowhere: topic(name: "not/there") { name } }'))
            return refused.value.errors

    (error,) = run(body())
    assert error["path"] == ["nowhere"] and error["extensions"] == {"code": "TOPIC_NOT_FOUND"}
    assert error["locations"] == [{"line": 2, "column": 3}] or error["locations"] == [{"line": 1, "column": 3}]


def test_a_token_comes_with_the_initialisation(guarded):
    async def who(**init):
        async with client(guarded, **init) as session:
            return await session.execute(gql("{ cluster { node } metrics { cpu } }"))

    assert run(who(authorization=f"Bearer {token('root', roles=['admin'])}"))["cluster"]["node"] == "node-1"
    with pytest.raises(TransportQueryError) as refused:
        run(who(authorization=f"Bearer {token('ann', roles=['user'])}"))
    assert refused.value.errors[0]["extensions"]["code"] == "PERMISSION_DENIED"
    for init in ({}, {"authorization": "Bearer nonsense"}):
        with pytest.raises((TransportError, ConnectionClosed)):
            run(who(**init))


def raw(node, *, subprotocols=("graphql-transport-ws",)):
    return connect(f"{node.url}/graphql/ws", subprotocols=list(subprotocols) or None, open_timeout=LIMIT)


def code_after(node, *texts, subprotocols=("graphql-transport-ws",)):
    """The close code after some texts."""
    with raw(node, subprotocols=subprotocols) as socket:
        for text in texts:
            socket.send(text)
        with pytest.raises(ConnectionClosed):
            while True:
                socket.recv(LIMIT)
        return socket.close_code


INIT = '{"type":"connection_init"}'
SUBSCRIBE = '{"id":"1","type":"subscribe","payload":{"query":"subscription { metricUpdated { cpu } }"}}'


def test_the_sub_protocol_is_negotiated(node):
    with raw(node, subprotocols=("graphql-ws", "graphql-transport-ws")) as socket:
        assert socket.subprotocol == "graphql-transport-ws"
    assert code_after(node, subprotocols=()) == 4406


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        (4400, [INIT, "nonsense"]),
        (4400, [INIT, b"\0"]),
        (4401, [SUBSCRIBE]),
        (4408, []),
        (4409, [INIT, SUBSCRIBE, SUBSCRIBE]),
        (4429, [INIT, INIT]),
    ],
)
def test_every_close_code(node, code, texts):
    assert code_after(node, *texts) == code


def test_a_stranger_is_closed_with_4403(guarded):
    assert code_after(guarded, INIT) == 4403
    assert code_after(guarded, '{"type":"connection_init","payload":{"authorization":"Bearer no"}}') == 4403


def test_the_seeds_examples_verbatim(node):
    """What the document's client sends, and the shape of what comes back."""
    from rustydb_document import examples

    init, subscribe = (each for each in examples() if each.get("type") in ("connection_init", "subscribe"))
    with raw(node) as socket:
        # Its token is a placeholder: only a node that asks for tokens refuses it.
        socket.send(json.dumps({"type": init["type"]}))
        assert json.loads(socket.recv(LIMIT)) == {"type": "connection_ack"}
        socket.send(json.dumps(subscribe))
        said = json.loads(socket.recv(LIMIT))
        (shown,) = (each for each in examples() if each.get("type") == "next")
        assert said["id"] == shown["id"] and said["type"] == "next"
        assert said["payload"]["data"]["metricUpdated"].keys() == shown["payload"]["data"]["metricUpdated"].keys()


def test_queries_over_http(node, topic):
    def post(query, **variables):
        return node.call("POST", "/graphql", {"query": query, "variables": variables})

    status, made = post(
        "mutation ($t: String!) {"
        " createTopic(name: $t) { name } publish(topic: $t, message: {n: [1, 2.50]}) { offset } }",
        t=topic,
    )
    assert (status, made) == (200, {"data": {"createTopic": {"name": topic}, "publish": {"offset": 1}}})
    status, got = post("query ($t: String!) { history(topic: $t) { messages { data } } }", t=topic)
    assert got == {"data": {"history": {"messages": [{"data": {"n": [1, 2.5]}}]}}}
    status, refused = post("subscription { metricUpdated { cpu } }")
    assert status == 200 and refused["errors"][0]["extensions"]["code"] == "NOT_SUPPORTED"
    status, refused = post("{ topics { name ")
    assert status == 200 and refused["errors"][0]["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    assert node.call("GET", "/graphql")[0] == 405


def test_http_wants_a_token_where_the_node_does(guarded):
    guarded.token, kept = None, guarded.token
    try:
        status, refused = guarded.call("POST", "/graphql", {"query": "{ topics { name } }"})
    finally:
        guarded.token = kept
    assert status == 401 and refused["errors"][0]["extensions"]["code"] == "AUTH_REQUIRED"
    assert guarded.call("POST", "/graphql", {"query": "{ topics { name } }"})[0] == 200


def test_the_library_is_told_who_is_in_a_topic_at_any_node(three, topic, attach):
    """Who is there at first, who comes, changes and goes; whoever watches is not there."""
    attach(three[0]).create(topic)
    three.await_equal_vectors()
    early = attach(three[0])
    early.subscribe(topic, presence=True)
    watch = "subscription ($topic: String!) { presence(topic: $topic) { topic event count member { ...M } members { ...M } } }"
    watch += " fragment M on TopicMember { user node connection since state }"
    here = {"node": "node-1", "connection": early.session["data"]["sessionId"]}

    async def body():
        async with client(three[1]) as session:
            told = []
            late = None
            async for update in session.subscribe(ask(watch, topic=topic)):
                told.append(update["presence"])
                assert told[-1]["topic"] == topic
                if told[-1]["event"] == "LIST":
                    late = attach(three[2])
                    late.subscribe(topic, presence=True)
                elif told[-1]["event"] == "JOIN":
                    late.ask("set-presence", topicName=topic, state={"mood": "good"})
                elif told[-1]["event"] == "UPDATE":
                    # Of the topic's messages nothing is shown.
                    late.publish(topic, 1)
                    late.close()
                elif told[-1]["event"] == "LEAVE":
                    return told, late.session["data"]["sessionId"]

    told, session = run(body())
    assert [(each["event"], each["count"]) for each in told] == [("LIST", 1), ("JOIN", 2), ("UPDATE", 2), ("LEAVE", 1)]
    assert told[0]["member"] is None and here.items() <= told[0]["members"][0].items()
    for each in told[1:]:
        assert each["members"] is None and (each["member"]["node"], each["member"]["connection"]) == ("node-3", session)
    assert told[1]["member"]["state"] is None and told[2]["member"]["state"] == {"mood": "good"}
    assert len(early.ask("presence", topicName=topic)["members"]) == 1


def test_presence_may_be_watched_where_the_topic_may_be_read(guarded):
    watch = "subscription { presence(topic: \"nowhere\") { event } }"

    async def body():
        async with client(guarded, authorization=f"Bearer {token('ann', roles=['user'])}") as session:
            with pytest.raises(TransportQueryError) as refused:
                async for _ in session.subscribe(gql(watch)):
                    pass
            return refused.value.errors[0]["extensions"]["code"]

    assert run(body()) == "TOPIC_NOT_FOUND"
