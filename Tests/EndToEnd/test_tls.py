"""TLS: versions, certificates that change under open connections, certificates of clients, headers, the command line."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest
from websockets.sync.client import connect

from certificates import Authority, needs_openssl
from cluster import BINARY, Cluster, eventually, free_port

pytestmark = needs_openssl
LIMIT = 30


class Secure:
    """One node with TLS and what its clients trust."""

    def __init__(self, folder, *flags):
        self.authority = Authority(folder, "authority")
        self.certificate, self.key = folder / "node.pem", folder / "node.key"
        self.use(self.authority.issue("first", "first"))
        self.address = f"127.0.0.1:{free_port()}"
        self.cluster = Cluster(
            1, "--tls-listen", self.address, "--tls-certificate-file", str(self.certificate),
            "--tls-key-file", str(self.key), *flags,
        )  # fmt: skip
        self.node = self.cluster[0]

    def use(self, pair):
        for source, target in zip(pair, (self.certificate, self.key)):
            shutil.copy(source, target)
        self.key.chmod(0o600)

    def reload(self):
        """SIGHUP; returns once the node has said what came of it."""
        before = self._said()
        self.node.process.send_signal(signal.SIGHUP)
        eventually("the node answers SIGHUP", lambda: self._said() > before, LIMIT)

    def _said(self):
        log = self.node.log.read_text()
        return log.count("configuration reloaded") + log.count("was not reloaded")

    def live(self, context=None):
        return connect(f"wss://{self.address}/live", ssl=context or self.authority.context(), open_timeout=LIMIT)

    def open(self, path, context=None):
        return urllib.request.urlopen(
            f"https://{self.address}{path}", timeout=LIMIT, context=context or self.authority.context()
        )

    def shown(self):
        """The subject of the certificate that a new handshake is shown."""
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=LIMIT) as plain:
            with self.authority.context().wrap_socket(plain, server_hostname=host) as secure:
                return dict(pair[0] for pair in secure.getpeercert()["subject"])["commonName"]


def ask(socket, ident, method, **attributes):
    socket.send(json.dumps({"id": ident, "method": method, "attributes": attributes}))
    while True:
        frame = json.loads(socket.recv(LIMIT))
        if frame.get("id") == ident:
            assert frame["ok"], frame
            return frame["data"]


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    secure = Secure(tmp_path_factory.mktemp("tls"))
    with secure.cluster:
        yield secure


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_are_spoken_at_every_door(secure, version):
    context = secure.authority.context(version)
    with secure.open("/healthz", context) as answer:
        assert answer.status == 200
    with secure.live(context) as socket:
        assert json.loads(socket.recv(LIMIT))["type"] == "session"
        assert socket.socket.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


def test_an_upgrade_may_be_a_later_request_of_a_connection(secure):
    host, port = secure.address.split(":")
    with socket.create_connection((host, int(port)), timeout=LIMIT) as plain:
        with secure.authority.context().wrap_socket(plain, server_hostname=host) as tls:
            tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + UPGRADE)
            seen = b""
            while b'"type":"session"' not in seen:
                part = tls.recv(65_536)
                assert part, seen
                seen += part
            assert seen.count(b"HTTP/1.1 200 ") == 2 and seen.index(b"HTTP/1.1 101 ") > seen.rindex(b"ok\n")


UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_a_new_certificate_is_used_and_open_connections_go_on(secure):
    assert secure.shown() == "first"
    with secure.live() as held:
        assert json.loads(held.recv(LIMIT))["type"] == "session"
        ask(held, "1", "create-topic", topicName="reload")
        secure.use(secure.authority.issue("second", "second"))
        secure.reload()
        assert secure.shown() == "second"
        ask(held, "2", "publish", topicName="reload", message=1)

        secure.certificate.write_text("no certificate")
        secure.reload()
        assert str(secure.certificate) in secure.node.tail(5)
        assert secure.shown() == "second"

        secure.use((secure.authority.issue("third", "third")[0], secure.authority.issue("other", "other")[1]))
        secure.reload()
        assert "does not belong to" in secure.node.tail(5)
        assert secure.shown() == "second"
        ask(held, "3", "publish", topicName="reload", message=2)
        secure.use(secure.authority.issue("fourth", "first"))
        secure.reload()
        assert secure.shown() == "first"


def test_headers_protect_pages_and_answers(secure):
    with secure.open("/") as answer:
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    with urllib.request.urlopen(f"http://{secure.node.front}/metrics", timeout=LIMIT) as answer:
        assert answer.headers["Strict-Transport-Security"] is None
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_command_line_trusts_what_it_is_told_to(secure):
    def roost(*arguments, **environment):
        return subprocess.run(
            [str(BINARY), "topics", "list", "--url", f"https://{secure.address}", *arguments],
            capture_output=True, text=True, timeout=60, env={**os.environ, **environment},
        )  # fmt: skip

    assert roost("--ca-file", str(secure.authority.certificate)).returncode == 0
    assert roost(ROOST_CA_FILE=str(secure.authority.certificate)).returncode == 0
    distrusted = roost()
    assert distrusted.returncode == 69
    assert "not trusted" in distrusted.stderr and ".swift" not in distrusted.stderr and "/" not in distrusted.stderr.split("; ")[-1]
    missing = roost("--ca-file", "/nowhere.pem")
    assert missing.returncode == 78 and "/nowhere.pem" in missing.stderr


def refused(secure, context):
    """A client cannot use the node; TLS 1.3 says so only when it reads."""
    try:
        with secure.open("/healthz", context) as answer:
            return answer.status != 200
    except (OSError, urllib.error.URLError):
        return True


def test_certificates_of_clients_are_required_where_the_operator_wants(tmp_path):
    clients = Authority(tmp_path, "clients")
    strangers = Authority(tmp_path, "strangers")
    good, bad = clients.issue("good", "good"), strangers.issue("bad", "bad")
    for mode, missing_is_refused in [("required", True), ("optional", False)]:
        folder = tmp_path / mode
        folder.mkdir()
        secure = Secure(folder, "--tls-client-ca-file", str(clients.certificate), "--tls-client-auth", mode)
        with secure.cluster:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                assert not refused(secure, secure.authority.context(version, good))
                assert refused(secure, secure.authority.context(version, bad))
                assert refused(secure, secure.authority.context(version)) == missing_is_refused
            with secure.live(secure.authority.context(pair=good)) as socket:
                assert json.loads(socket.recv(LIMIT))["type"] == "session"


def test_an_old_version_is_refused_where_the_operator_wants(tmp_path):
    secure = Secure(tmp_path, "--tls-min-version", "1.3")
    with secure.cluster:
        assert not refused(secure, secure.authority.context(ssl.TLSVersion.TLSv1_3))
        assert refused(secure, secure.authority.context(ssl.TLSVersion.TLSv1_2))


def test_wrong_settings_are_named_and_end_with_78(tmp_path):
    certificate, key = Authority(tmp_path, "authority").issue("node")
    (tmp_path / "broken.pem").write_text("no certificate")
    for flags, words in [
        (["--tls-client-auth", "required"], "tls-client-ca-file is missing"),
        (["--tls-client-auth", "maybe"], "none, optional or required"),
        (["--tls-min-version", "1.1"], "1.2 or 1.3"),
        (["--tls-certificate-file", str(tmp_path / "broken.pem")], str(tmp_path / "broken.pem")),
        (["--auth-secret-file", str(tmp_path / "missing")], str(tmp_path / "missing")),
    ]:
        given = ["--tls-listen", f"127.0.0.1:{free_port()}", "--tls-certificate-file", str(certificate),
                 "--tls-key-file", str(key), "--listen", f"127.0.0.1:{free_port()}",
                 "--gossip", f"127.0.0.1:{free_port()}", "--bus", f"127.0.0.1:{free_port()}",
                 "--data", str(tmp_path / "data")]  # fmt: skip
        if flags[0] == "--tls-certificate-file":
            given[3] = flags[1]
        else:
            given += flags
        ended = subprocess.run([str(BINARY), "serve", *given], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 78 and words in ended.stderr, f"{flags}: {ended.returncode} {ended.stderr}"


def test_roles_and_users_are_reloaded_and_other_changes_are_named(tmp_path):
    secure = Secure(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef")
    secret.chmod(0o644)
    file = tmp_path / "roost.yaml"
    file.write_text(f"auth-secret-file: {secret}\n")
    secure.node.flags += ["--config", str(file)]
    node = secure.node.start()
    try:
        assert "every user of this machine can read" in secure.node.log.read_text()
        assert secure.node.call("GET", "/api/v1/topics")[0] == 401
        file.write_text(f"auth-secret-file: {secret}\nanonymous: admin\nloops: 7\n")
        secure.reload()
        assert secure.node.call("GET", "/api/v1/topics")[0] == 200
        assert "need a restart" in secure.node.tail(5) and "loops" in secure.node.tail(5)
        file.write_text(f"auth-secret-file: {secret}\nlops: 7\n")
        secure.reload()
        assert "did you mean" in secure.node.tail(5) and "loops" in secure.node.tail(5)
        assert secure.node.call("GET", "/api/v1/topics")[0] == 200
    finally:
        node.end()
