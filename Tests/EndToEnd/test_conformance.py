"""RFC 6455, as Autobahn's fuzzing client has it: the quick cases, against the code that real clients go through."""

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import fuzzing_client
from cluster import Cluster
from live import LIMIT

GROUPS = {
    1: "framing", 2: "pings and pongs", 3: "reserved bits", 4: "opcodes", 5: "fragmentation", 6: "UTF-8",
    7: "closing", 10: "auto-fragmentation",
}  # fmt: skip


@pytest.fixture(scope="module")
def echo_node():
    with Cluster(1, "--test-doors") as cluster:
        yield cluster[0]


@pytest.fixture(scope="module")
def results(echo_node, tmp_path_factory):
    try:
        python = fuzzing_client.install()
    except fuzzing_client.Unavailable as reason:
        pytest.skip(f"Autobahn's cases were not run: {reason}")
    return fuzzing_client.run(python, f"{echo_node.url}/echo", "quick", tmp_path_factory.mktemp("autobahn"))


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: GROUPS[group])
def test_no_quick_case_of_autobahn_fails(results, group):
    cases = {case: result for case, result in results.items() if fuzzing_client.number(case)[0] == group}
    assert cases, f"no case {group}.* was run"
    assert [finding for finding in fuzzing_client.findings(cases) if finding[2]] == []


def test_the_quick_cases_are_all_that_there_are(results):
    assert {fuzzing_client.number(case)[0] for case in results} == set(GROUPS)
    assert len(results) == 247


def test_the_echo_door_says_text_back_as_text_and_binary_as_binary(echo_node):
    with connect(f"{echo_node.url}/echo", open_timeout=LIMIT, max_size=None) as client:
        for message in ["", "Grüße", b"", b"\xff\x00", "x" * (3 << 20), bytes(range(256)) * (1 << 14)]:
            client.send(message)
            assert client.recv(LIMIT) == message
    assert "/echo says back whatever it is sent" in echo_node.log.read_text()


def test_without_the_flag_there_is_no_echo_door(node):
    with pytest.raises(InvalidStatus, match="404"):
        connect(f"{node.url}/echo", open_timeout=LIMIT)
