"""Certificates for tests, made by OpenSSL."""

import shutil
import ssl
import subprocess

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing (Debian: openssl)")


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


def _key():
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Authority:
    """An authority with a name, which signs certificates in a folder."""

    def __init__(self, folder, name):
        self.folder = folder
        self.certificate = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        _openssl("req", "-x509", *_key(), "-keyout", self.key, "-out", self.certificate, "-days", 2,
                 "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")  # fmt: skip

    def issue(self, name, subject="127.0.0.1"):
        """A certificate for this machine and its key, as paths."""
        certificate, key, request, extensions = (
            self.folder / f"{name}.{kind}" for kind in ("pem", "key", "csr", "ext")
        )
        _openssl("req", *_key(), "-keyout", key, "-out", request, "-subj", f"/CN={subject}")
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                 "-out", certificate, "-days", 2, "-extfile", extensions)  # fmt: skip
        key.chmod(0o600)
        return certificate, key

    def context(self, version=None, pair=None):
        """What a client trusts this authority with; one version of TLS only, and a certificate, where they are given."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if pair is not None:
            context.load_cert_chain(*map(str, pair))
        return context
