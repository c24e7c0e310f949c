"""Behind Debian's HAProxy and nginx, which keep connections to a node and reuse them."""

import shutil
import subprocess
import urllib.request

import pytest

from cluster import eventually, free_port
from live import Live

HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


class Proxied:
    """A node as a proxy's clients see it."""

    def __init__(self, port):
        self.front = f"127.0.0.1:{port}"
        self.url = f"ws://{self.front}"

    def answers(self):
        try:
            with urllib.request.urlopen(f"http://{self.front}/healthz", timeout=30) as answer:
                return answer.status == 200
        except OSError:
            return False


@pytest.fixture
def run(tmp_path):
    """Starts a proxy with a configuration, and ends it after the test."""
    started = []

    def run(command, name, text):
        file = tmp_path / name
        file.write_text(text)
        with (tmp_path / "log").open("wb") as log:
            started.append(subprocess.Popen([*command, str(file)], stdout=log, stderr=log))

    yield run
    for process in started:
        process.terminate()
        process.wait(30)


def accepted(node):
    return node.metric("roost_connections_accepted_total")


def expect_reuse(node, proxy, topic):
    """HTTP and then a WebSocket through the proxy take one connection to the node, whose HTTP had begun before."""
    eventually("the proxy answers", proxy.answers)
    before = accepted(node)  # this question itself is one more connection each time
    for _ in range(3):
        assert proxy.answers()
    client = Live(proxy)
    try:
        client.create(topic)
        client.subscribe(topic)
        client.publish(topic, {"n": 1})
        assert client.event()["data"] == {"n": 1}
        assert accepted(node) - before == 1, "the proxy opened a connection of its own for the upgrade"
    finally:
        client.close()
    assert proxy.answers()


@pytest.mark.skipif(HAPROXY is None, reason="there is no HAProxy (Debian: haproxy)")
def test_an_upgrade_comes_on_a_connection_that_haproxy_reuses(node, run, topic):
    port = free_port()
    run([HAPROXY, "-db", "-f"], "haproxy.cfg", f"""
global
    nbthread 1
defaults
    mode http
    timeout connect 30s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
frontend clients
    bind 127.0.0.1:{port}
    default_backend nodes
backend nodes
    http-reuse always
    server node {node.front} pool-purge-delay 600s
""")
    expect_reuse(node, Proxied(port), topic)


@pytest.mark.skipif(NGINX is None, reason="there is no nginx (Debian: nginx-light)")
def test_an_upgrade_comes_on_a_connection_that_nginx_reuses(node, run, topic, tmp_path):
    port = free_port()
    run([NGINX, "-p", str(tmp_path), "-c"], "nginx.conf", f"""
daemon off;
master_process off;
pid {tmp_path}/pid;
error_log {tmp_path}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {tmp_path}/body;
    proxy_temp_path {tmp_path}/proxy;
    fastcgi_temp_path {tmp_path}/fastcgi;
    uwsgi_temp_path {tmp_path}/uwsgi;
    scgi_temp_path {tmp_path}/scgi;
    map $http_upgrade $connection_option {{ default upgrade; '' ''; }}
    upstream nodes {{ server {node.front}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://nodes;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_option;
        }}
    }}
}}
""")
    expect_reuse(node, Proxied(port), topic)
