"""The two clients in Daptin's own document, as they stand there but for host and token."""

import re

import pytest

from javascript import FIXTURES, MODULES, Program, needs_chromium, needs_node, needs_react
from live import Refused
from tokens import token

DOCUMENT = (FIXTURES / "daptin-websocket-api.md").read_text()


def block(beginning):
    """The document's code block that begins so."""
    blocks = re.findall(r"```javascript\n(.*?)```", DOCUMENT, re.DOTALL)
    return next(each for each in blocks if each.startswith(beginning))


@needs_node
def test_the_class_works(guarded):
    source = block("class DaptinWebSocket").split("// Usage")[0]
    program = Program("daptin-class.mjs", guarded.url, token("alice", roles=["admin"]), text=source)
    try:
        assert program.until("log")[0] == "Connected to Daptin WebSocket"
        # The second handler took the place of the first, as the class has it.
        got = program.until("several", 2)
        assert ["chat-room-1", "new-message", "Hello!"] in got
        assert ["order", "new-message", {"id": "order-123"}] in got
    finally:
        program.end()


@needs_chromium
@needs_react
def test_the_react_hook_works(guarded, attach, browser, tmp_path):
    secret = token("bob", roles=["admin"])
    hook = block("import { useEffect").replace("localhost:6336", guarded.front)
    (tmp_path / "hook.js").write_text(f"{hook}\nexport {{ useDaptinWebSocket }};\n")
    (tmp_path / "react-module.js").write_text("export const { useEffect, useState, useCallback } = React;\n")
    for name in ("react", "react-dom"):
        (tmp_path / f"{name}.js").write_bytes((MODULES / name / f"umd/{name}.production.min.js").read_bytes())
    (tmp_path / "index.html").write_text(
        '<!doctype html><div id="root"></div><script src="react.js"></script><script src="react-dom.js"></script>'
        '<script type="importmap">{"imports": {"react": "./react-module.js"}}</script>'
        '<script type="module">import { useDaptinWebSocket } from "./hook.js";'
        f'function App() {{ const hook = useDaptinWebSocket("{secret}"); window.hook = hook;'
        'return React.createElement("pre", null, JSON.stringify(hook.messages)); }'
        'ReactDOM.createRoot(document.getElementById("root")).render(React.createElement(App));</script>'
    )
    writer = attach(guarded, secret)
    for name in ("user_account", "document"):
        writer.create(name)
    browser.open_folder(tmp_path)
    browser.until("window.hook && window.hook.connected")
    browser.run("window.hook.subscribe(['user_account', 'document'])")
    browser.until("window.hook.messages.filter((each) => each.type === 'response' && each.ok).length === 2")
    writer.publish("user_account", {"n": 1})
    writer.publish("document", {"n": 2})
    browser.until("window.hook.messages.filter((each) => each.type === 'event').length === 2")
    shown = "window.hook.messages.filter((each) => each.type === 'event').map((each) => [each.topic, each.data.n])"
    assert browser.run(shown) == [["user_account", 1], ["document", 2]]


def test_a_token_is_needed_and_has_to_be_good(guarded, attach):
    good = attach(guarded, token("alice", roles=["admin"]))
    assert good.session["data"]["user"] == "alice"
    forged = token("eve", secret="another secret of that length 0123456789")
    stranger = attach(guarded)  # may say who it is by `auth`, and nothing else
    with pytest.raises(Refused, match="AUTH_REQUIRED"):
        stranger.ask("list-topic")
    bad = ["nonsense", forged, token("eve", lifetime=-60), token("eve", algorithm="none")]
    for each in bad:
        # Refused before the upgrade, or told and closed with 1008; never let in.
        try:
            client = attach(guarded, each)
        except Exception as error:  # noqa: BLE001 (whatever the library makes of a refusal)
            assert "401" in str(error) or "403" in str(error) or "1008" in str(error) or "AUTH" in str(error), error
        else:
            raise AssertionError(f"let in with {each}: {client.session}")
