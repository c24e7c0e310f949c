"""The JSON examples of RustyDB's own document, as they stand there."""

import json
import re

from javascript import FIXTURES

DOCUMENT = (FIXTURES / "rustydb-websocket-integration.md").read_text()

# What the document shows as JSON and is a description of JSON: its types are alternatives.
NOT_MESSAGES = ["query|subscribe|unsubscribe|ping|auth", "data|error|pong|auth_success|auth_error"]


def examples():
    """Every example that is a message, in the order of the document."""
    blocks = (json.loads(each) for each in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL))
    return [each for each in blocks if each.get("type") not in NOT_MESSAGES]


def javascript_messages():
    """The messages that the document's JavaScript sends, by their type, with placeholders as they stand there."""
    found = []
    for text in re.findall(r"JSON\.stringify\(\{(.*?)\}\)\)", DOCUMENT, re.DOTALL):
        # Keys without quotes and strings in apostrophes, as far as the document has them.
        text = "{" + text + "}"
        if "new Date()" in text:
            text = text.replace("new Date().toISOString()", '"2025-12-13T10:30:00.000Z"')
        text = re.sub(r"//.*", "", text)
        text = re.sub(r"([{,]\s*)(\w+):", r'\1"\2":', text).replace("'", '"')
        text = re.sub(r",(\s*[}\]])", r"\1", text)
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:
            found.append(text)
    return found
