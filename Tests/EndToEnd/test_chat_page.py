"""The chat page in a real browser: its node is killed, and it goes on with nothing missing and nothing twice."""

import json

from cluster import eventually
from javascript import needs_chromium

pytestmark = needs_chromium

TEXTS = "[...document.querySelectorAll('#messages .text')].map((each) => each.textContent)"
STATE = "document.getElementById('status').dataset.state"
STATUS = "document.getElementById('status').textContent"


def say(browser, words):
    browser.run(
        f"(() => {{ document.getElementById('text').value = {json.dumps(words)};"
        "document.getElementById('compose').requestSubmit(); return true; })()"
    )


def await_texts(browser, expected):
    browser.until(f"{TEXTS}.length >= {len(expected)} && document.querySelectorAll('#pending li').length === 0")
    assert browser.run(TEXTS) == expected


def test_a_message_is_shown_as_text_whatever_it_contains(node, attach, browser):
    browser.open(f"http://{node.front}/")
    browser.until(f"{STATE} === 'attached'")
    assert node.name in browser.run(STATUS)
    markup = "<img src=x onerror=alert(1)> & <b>bold</b>"
    browser.until("document.querySelector('#rooms a[aria-current]')")
    say(browser, markup)
    await_texts(browser, [markup])
    assert browser.run("document.querySelectorAll('#messages img, #messages b').length") == 0
    assert browser.run("document.querySelector('#messages .sender').textContent").startswith("guest-")
    other = attach(node)
    other.publish("chat/lobby", {"name": "<i>Eve</i>", "text": "from elsewhere"}, ack="stored")
    other.publish("chat/lobby", ["no", "chat", "message"], ack="stored")
    await_texts(browser, [markup, "from elsewhere", '["no","chat","message"]'])
    assert browser.trouble == []


def test_history_is_shown_on_joining_a_room(node, attach, browser):
    writer = attach(node)
    writer.create("chat/old room")
    for number in range(5):
        writer.publish("chat/old room", {"name": "Ann", "text": f"earlier {number}"}, ack="stored")
    browser.open(f"http://{node.front}/chat#old%20room")
    await_texts(browser, [f"earlier {number}" for number in range(5)])
    browser.run("location.hash = 'another'")
    browser.until("document.getElementById('title').textContent === '# another'")
    say(browser, "first words")
    await_texts(browser, ["first words"])
    browser.run("location.hash = 'old%20room'")
    await_texts(browser, [f"earlier {number}" for number in range(5)])


def test_the_page_fits_a_narrow_screen(node, browser):
    browser.open(f"http://{node.front}/chat")
    browser.until(f"{STATE} === 'attached'")
    assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.run("document.documentElement.scrollHeight <= window.innerHeight")
    assert browser.run("[...document.querySelectorAll('input')].every((each) => each.labels.length === 1)")


def test_the_page_shows_who_is_there_and_who_types(three, attach, browser):
    browser.open(f"http://{three[0].front}/#hall")
    browser.until(f"{STATE} === 'attached'")
    here = "document.getElementById('here').textContent"
    typing = "document.getElementById('typing').textContent"
    browser.until(f"{here} === 'Here: you'")
    other = attach(three[1])
    eventually("the other node knows the room", lambda: "chat/hall" in str(other.ask("list-topic")))
    other.subscribe("chat/hall", presence=True)
    other.ask("set-presence", topicName="chat/hall", state={"name": "<i>Eve</i>"})
    browser.until(f"{here} === 'Here: you, <i>Eve</i>'")
    other.ask("set-presence", topicName="chat/hall", state={"name": "Eve", "typing": True})
    browser.until(f"{typing} === 'Eve is typing…'")
    other.ask("set-presence", topicName="chat/hall", state={"name": "Eve", "typing": False})
    browser.until(f"{typing} === ''")
    browser.run(
        "(() => { const text = document.getElementById('text'); text.value = 'he';"
        "text.dispatchEvent(new Event('input', { bubbles: true })); return true; })()"
    )
    name = browser.run("document.getElementById('name').value")

    def states():
        return [each.get("state") for each in other.ask("presence", topicName="chat/hall")["members"]]

    eventually("the page says that it types", lambda: {"name": name, "typing": True} in states())
    say(browser, "hello")
    eventually("it says so no longer", lambda: {"name": name, "typing": False} in states())
    other.close()
    browser.until(f"{here} === 'Here: you'")
    assert browser.trouble == []


def test_its_node_is_killed_and_it_goes_on_at_another(fresh_three, attach, browser):
    cluster = fresh_three
    browser.open(f"http://{cluster[0].front}/")
    browser.until(f"{STATE} === 'attached' && document.querySelectorAll('#nodes li').length === 3")
    browser.until("document.querySelector('#rooms a[aria-current]')")
    expected = []
    for number in range(5):
        say(browser, f"before {number}")
        expected.append(f"before {number}")
        await_texts(browser, expected)
    cluster.await_equal_vectors()
    cluster[0].kill()
    other = attach(cluster[1])
    for number in range(5):
        other.publish("chat/lobby", {"name": "Ann", "text": f"meanwhile {number}"}, ack="stored")
        expected.append(f"meanwhile {number}")
    browser.until(f"{STATE} === 'attached' && !{STATUS}.includes('node-1')")
    await_texts(browser, expected)
    say(browser, "after")
    expected.append("after")
    await_texts(browser, expected)
    cluster[0].start()
    cluster.await_members(3)
    cluster.await_equal_vectors()
    back = attach(cluster[0])
    assert [each["data"]["text"] for each in back.history("chat/lobby")] == expected
    assert browser.run(TEXTS) == expected
    assert browser.trouble == []
