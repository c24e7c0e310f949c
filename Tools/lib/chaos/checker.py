"""Compares what every client recorded with what every node gives back; shares nothing with the broker but the wire."""

import base64
from collections import Counter, defaultdict
from datetime import datetime

# Repeats of an id are one message when their times lie within this; further apart they are two.
FOLD_SECONDS = 300
SHOWN = 10
SURVIVING = ("stored", "replicated")


class Violation(str):
    """A sentence that says which promise was broken, by what."""


def check(record, histories, topics=None, identities=None):
    """All violations of a run. `histories`: {node: {topic: [(partition, offset, messageId, timestamp, by, n)]}}.

    `topics`: {node: {name: what it says of it}}. `identities`: {node: its id in hexadecimal}.
    """
    return [
        *_same_everywhere(histories),
        *_nothing_lost(record, histories),
        *_nothing_twice(record, histories),
        *_in_order(record, histories, identities or {}),
        *_places_kept(record, histories),
        *(found for name, told in record.subscribers.items() for found in check_subscriber(name, told, record)),
        *(_registry(record, topics) if topics is not None else []),
    ]


def acknowledged(record, levels=SURVIVING):
    """The ids of messages that were acknowledged at one of these levels, with an attempt that was."""
    good = [each for each in record.attempts if each["outcome"] == "ok" and each["ack"] in levels]
    return {f"{each['by']}-{each['n']}": each for each in good}


def _some(found):
    found = list(found)
    rest = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(str(each) for each in found[:SHOWN]) + rest


def _same_everywhere(histories):
    first, *others = histories
    for node in others:
        for topic in sorted({*histories[first], *histories[node]}):
            left, right = histories[first].get(topic, []), histories[node].get(topic, [])
            if left != right:
                only = set(left) ^ set(right)
                yield Violation(
                    f"the history of {topic} is not the same on {first} ({len(left)}) and {node} ({len(right)}): "
                    + (_some(sorted(only)) if only else "the same messages in another order")
                )


def _nothing_lost(record, histories):
    acked = acknowledged(record)
    for node, by_topic in histories.items():
        there = {(topic, message[2]) for topic, messages in by_topic.items() for message in messages}
        lost = [ident for ident, each in acked.items() if (each["topic"], ident) not in there]
        if lost:
            levels = Counter(acked[ident]["ack"] for ident in lost)
            said = ", ".join(f"{count} {level}" for level, count in sorted(levels.items()))
            yield Violation(f"{node} lost {len(lost)} acknowledged messages ({said}): {_some(lost)}")


def _seconds(timestamp):
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()


def _nothing_twice(record, histories):
    sent = {(each["topic"], f"{each['by']}-{each['n']}") for each in record.attempts}
    for node, by_topic in histories.items():
        for topic, messages in by_topic.items():
            times = defaultdict(list)
            for message in messages:
                times[message[2]].append(_seconds(message[3]))
            repeated = [
                ident for ident, at in times.items()
                if any(later - earlier <= FOLD_SECONDS for earlier, later in zip(sorted(at), sorted(at)[1:]))
            ]  # fmt: skip
            if repeated:
                yield Violation(f"{node} gives messages of {topic} more than once: {_some(repeated)}")
            invented = [ident for ident in times if (topic, ident) not in sent]
            if invented:
                yield Violation(f"{node} gives messages of {topic} that nobody sent: {_some(invented)}")


def twins_apart(histories):
    """How many ids a history holds more than once because a clock was further off than repeats are folded."""
    messages = next(iter(histories.values())).values()
    return sum(count - 1 for each in messages for count in Counter(message[2] for message in each).values())


def writer(partition):
    """The id of the node that wrote a partition, in hexadecimal: the first 8 of the 16 bytes of its name."""
    return base64.urlsafe_b64decode(partition.split(".")[0] + "==")[:8].hex()


def _in_order(record, histories, identities):
    """Within one partition offsets ascend, and so do the numbers of what one connection sent to its node."""
    connections = defaultdict(set)
    for each in record.attempts:
        connections[each["by"], each["n"], identities.get(each["node"])].add(each["connection"])
    for node, by_topic in histories.items():
        for topic, messages in by_topic.items():
            offsets, numbers, wrong = {}, {}, []
            for partition, offset, ident, _, by, n in messages:
                origin = writer(partition) if identities else None
                places = [(partition, by, connection) for connection in connections[by, n, origin]]
                if offset <= offsets.get(partition, 0) or any(n <= numbers.get(place, 0) for place in places):
                    wrong.append(f"{ident} at {partition}:{offset}")
                offsets[partition] = offset
                numbers.update((place, n) for place in places)
            if wrong:
                yield Violation(f"{node} gives messages of {topic} out of their order: {_some(wrong)}")


def _places_kept(record, histories):
    """A place that was acknowledged for one message never holds another."""
    promised = {
        (each["topic"], each["partition"], each["offset"]): f"{each['by']}-{each['n']}"
        for each in record.attempts if each["outcome"] == "ok"
    }  # fmt: skip
    for node, by_topic in histories.items():
        wrong = [
            f"{topic} {message[0]}:{message[1]} holds {message[2]}, acknowledged for {expected}"
            for topic, messages in by_topic.items() for message in messages
            if (expected := promised.get((topic, message[0], message[1]), message[2])) != message[2]
        ]  # fmt: skip
        if wrong:
            yield Violation(f"{node} gave places away twice: {_some(wrong)}")


def check_subscriber(name, told, record=None):
    """What one subscriber was told: no jump that nobody announced, nothing twice, and in the end all that was kept."""
    places, seen, life = {}, {}, 0
    jumps, repeats, gaps = [], [], set()
    for what, *rest in told:
        if what == "attached":
            node, asked, answered = rest
            life += 1
            places = {topic: dict(each) for topic, each in asked.items()}
            for topic, cursor in answered.items():
                for partition, offset in cursor.items():
                    if offset < places.setdefault(topic, {}).get(partition, 0):
                        jumps.append(f"{node} began {topic} at {partition}:{offset}, before {places[topic][partition]}")
                    places[topic][partition] = offset
        elif what == "event":
            topic, partition, offset, ident = rest
            expected = places.setdefault(topic, {}).get(partition, 0) + 1
            if offset < expected:
                repeats.append(f"{topic} {partition}:{offset}")
            elif offset > expected:
                jumps.append(f"{topic} {partition} from {expected} to {offset}")
            # One that has moved may get a message again under another place, if the first node had it alone.
            if seen.get((topic, ident), (0, ""))[0] == life:
                repeats.append(f"{topic} {ident}")
            seen[topic, ident] = (life, partition)
            places[topic][partition] = offset
        elif what == "cursor":
            topic, cursor = rest
            places.setdefault(topic, {}).update(cursor)
        elif what == "gap":
            topic, partition, first, last, _ = rest
            if first != places.setdefault(topic, {}).get(partition, 0) + 1:
                before = places[topic].get(partition, 0)
                jumps.append(f"{topic} {partition}: a gap from {first}, but {before} was the last")
            places[topic][partition] = last
            gaps.add((topic, partition, first, last))
    if jumps:
        yield Violation(f"{name} saw a silent gap: {_some(jumps)}")
    if repeats:
        yield Violation(f"{name} saw a repeat: {_some(repeats)}")
    if record is not None:
        kept = {(each["topic"], ident) for ident, each in acknowledged(record).items()}
        missed = sorted(ident for _, ident in kept - set(seen))
        if missed:
            told_of = f"; gaps {_some(gaps)}" if gaps else ""
            yield Violation(f"{name} never saw {len(missed)} acknowledged messages: {_some(missed)}{told_of}")


def _registry(record, topics):
    first, *others = topics
    for node in others:
        if topics[node] != topics[first]:
            names = sorted({*topics[first], *topics[node]})
            differing = [name for name in names if topics[first].get(name) != topics[node].get(name)]
            yield Violation(f"the registry is not the same on {first} and {node}: {_some(differing)}")
    destroyed = {each["topic"] for each in record.topics if each["what"] == "destroy-topic"}
    done = {each["topic"] for each in record.topics if each["what"] == "destroy-topic" and each["outcome"] == "ok"}
    created = {each["topic"] for each in record.topics if each["what"] == "create-topic" and each["outcome"] == "ok"}
    for node, named in topics.items():
        lost = sorted(created - destroyed - set(named))
        if lost:
            yield Violation(f"{node} lost topics whose creation was acknowledged: {_some(lost)}")
        risen = sorted(done & set(named))
        if risen:
            yield Violation(f"{node} has topics whose destruction was acknowledged: {_some(risen)}")


def places(record):
    """Where clients were told that copies of each message are: {(topic, messageId): {(partition, offset)}}."""
    known = defaultdict(set)
    for each in record.attempts:
        if each["outcome"] == "ok":
            known[each["topic"], f"{each['by']}-{each['n']}"].add((each["partition"], each["offset"]))
    for told in record.subscribers.values():
        for what, *rest in told:
            if what == "event":
                topic, partition, offset, ident = rest
                known[topic, ident].add((partition, offset))
    return known


def check_cursor(node, topic, cursor, history, suffix, events, gaps, known=None):
    """What a node gives after a cursor, by `history` and by `subscribe`, against the whole history.

    `known`: what `places` says. Who has seen a copy of a message is rightly not given another by a subscription.
    """
    expected = [message for message in history if message[1] > cursor.get(message[0], 0)]
    if suffix != expected:
        yield Violation(
            f"{node} gives {len(suffix)} messages of {topic} after {cursor}, and its history has {len(expected)}: "
            + _some(sorted(set(suffix) ^ set(expected)))
        )
    # A subscriber gets of two repeats the one that its node had first, the history shows the earlier: the id counts.
    told = Counter(ident for _, _, ident in events)
    missing = [
        f"{ident} at {partition}:{offset}" for partition, offset, ident, *_ in expected
        if ident not in told
        and not any(cursor.get(there, 0) >= at for there, at in (known or {}).get((topic, ident), ()))
        and not any(each[0] == partition and each[1] <= offset <= each[2] for each in gaps)
    ]  # fmt: skip
    if missing:
        yield Violation(f"{node} lets a subscriber from {cursor} to {topic} miss {_some(missing)}")
    twice = [ident for ident, count in told.items() if count > 1]
    if twice:
        yield Violation(f"{node} lets a subscriber from {cursor} to {topic} see twice {_some(twice)}")
