"""JSON Web Tokens by hand (RFC 7519), good ones and bad ones."""

import base64
import hashlib
import hmac
import json
import time

SECRET = "a secret of the end-to-end tests, 0123456789abcdef"


def guarding(folder, configuration=""):
    """The flags of a node that wants tokens; its secret is written to the folder, and the configuration if there is any."""
    secret = folder / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    flags = ["--auth-secret-file", str(secret)]
    if configuration:
        (folder / "roost.yaml").write_text(configuration)
        flags += ["--config", str(folder / "roost.yaml")]
    return flags


def _part(content):
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def token(subject, roles=(), secret=SECRET, lifetime=3_600, algorithm="HS256", **claims):
    """A token signed with HS256, or not at all when the algorithm is `none`."""
    head = {"alg": algorithm, "typ": "JWT"}
    body = {"sub": subject, "exp": int(time.time()) + lifetime, "roles": list(roles), **claims}
    signed = _part(head) + b"." + _part(body)
    signature = b"" if algorithm == "none" else hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + _part(signature)).decode()
