"""Who is there: told to everybody on every node, exact after any churn, and no ghost of a node that has died."""

import random

from cluster import eventually
from live import LIMIT

ROOM = "room"


def here(client, topic=ROOM):
    """The connections that the client's node lists."""
    return {member["connection"] for member in client.ask("presence", topicName=topic)["members"]}


def session(client):
    return client.session["data"]["sessionId"]


def told(client):
    """The next presence event, as (event, connection)."""
    while (frame := client.other(LIMIT))["type"] != "presence":
        pass
    return frame["event"], frame["data"]["connection"]


def test_members_are_told_of_each_other_across_nodes(three, attach, topic):
    one, two, three_ = (attach(node) for node in three.nodes)
    one.create(topic)
    three.await_equal_vectors()
    one.subscribe(topic, presence=True)
    assert told(one) == ("join", session(one))
    eventually("the second node knows of it", lambda: here(two, topic) == {session(one)})
    two.subscribe(topic, presence=True)
    assert told(one) == told(two) == ("join", session(two))
    two.ask("set-presence", topicName=topic, state={"mood": "busy"})
    assert told(one) == told(two) == ("update", session(two))
    expected = [("node-1", session(one), None), ("node-2", session(two), {"mood": "busy"})]

    def listed():
        members = three_.ask("presence", topicName=topic)["members"]
        return [(each["node"], each["connection"], each.get("state")) for each in members]

    eventually("the third node lists both as they are now", lambda: listed() == expected)
    two.ask("typing", topicName=topic)
    frame = one.other()
    assert (frame["type"], frame["event"], frame["data"]["connection"]) == ("typing", "start", session(two))
    two.ask("unsubscribe", topicName=topic)
    assert told(one) == ("leave", session(two))
    one.close()
    eventually("nobody is there", lambda: not here(three_, topic))


def test_nobody_of_a_dead_node_is_there_for_longer_than_it_takes_to_find_out(fresh_three, attach):
    clients = [attach(node) for node in fresh_three.nodes]
    clients[0].create(ROOM)
    fresh_three.await_equal_vectors()
    for client in clients:
        client.subscribe(ROOM, presence=True)
    everybody = {session(each) for each in clients}
    for client in clients:
        eventually("all are listed", lambda: here(client) == everybody)
    fresh_three[2].kill()
    for client in clients[:2]:
        while told(client) != ("leave", session(clients[2])):
            pass
        assert here(client) == everybody - {session(clients[2])}
    fresh_three[2].start()
    again = attach(fresh_three[2])
    again.subscribe(ROOM, presence=True)
    for client in (*clients[:2], again):
        eventually("the new one is listed", lambda: here(client) == {session(each) for each in (*clients[:2], again)})


def test_the_list_is_exact_after_ten_thousand_comings_and_goings_and_a_kill(fresh_three, attach):
    draw = random.Random(7)
    cluster = fresh_three
    crowd = {node: [attach(node, compression=None) for _ in range(8)] for node in cluster.nodes}
    observer = crowd[cluster[0]][0]
    observer.create(ROOM)
    cluster.await_equal_vectors()
    observer.subscribe(ROOM, presence=True)
    present, changes = {observer}, 0

    def churn(count):
        nonlocal changes
        clients = [each for node in cluster.running() for each in crowd[node] if each is not observer]
        for _ in range(count // 10):
            client = draw.choice(clients)
            for _ in range(10):
                going = client in present
                attributes = {"topicName": ROOM} if going else {"topicName": ROOM, "presence": True}
                client.send({"method": "unsubscribe" if going else "subscribe", "attributes": attributes})
                (present.discard if going else present.add)(client)
                changes += 1
            if draw.random() < 0.5:  # leave it as it was not before
                going = client in present
                attributes = {"topicName": ROOM} if going else {"topicName": ROOM, "presence": True}
                client.ask("unsubscribe" if going else "subscribe", **attributes)
                (present.discard if going else present.add)(client)
                changes += 1

    churn(5_000)
    victim = cluster[2]
    victim.kill()
    present.difference_update(crowd[victim])
    churn(2_500)
    victim.start()
    crowd[victim] = [attach(victim, compression=None) for _ in range(8)]
    churn(2_500)
    assert changes >= 10_000
    for node in cluster.nodes:
        for client in crowd[node]:
            client.ask("list-topic")  # what it said has been dealt with
    expected = {session(each) for each in present}
    for node in cluster.nodes:
        asker = crowd[node][0]
        eventually(f"{node.name} lists who is there", lambda: here(asker) == expected)
    # The observer's own account, kept by nothing but what it was told.
    account = set()
    while not observer.others.empty():
        frame = observer.others.get()
        if frame.get("type") == "presence":
            who = frame["data"]["connection"]
            if frame["event"] == "join":
                assert who not in account, f"{who} joined twice"
                account.add(who)
            elif frame["event"] == "leave":
                assert who in account, f"{who} left without being there"
                account.discard(who)
    assert account == expected
