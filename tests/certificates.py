"""Certificates for the tests, made with the openssl program: an authority and who it signs."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from mkiso.core.job import Tls

_EXTENSIONS = """
[leaf]
basicConstraints = critical,CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""
HERE = "DNS:localhost,IP:127.0.0.1"


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, and the authority that signed it, as PEM files."""

    certificate: Path
    key: Path
    authority: Path

    def tls(self, *, verify_host=True, authority=True):
        """The files as mkiso's configuration names them."""
        return Tls(
            str(self.authority) if authority else "",
            str(self.certificate),
            str(self.key),
            verify_host=verify_host,
        )

    def dcmtk(self, *more):
        """The files as dcmtk's programs name them."""
        return ["+tls", str(self.key), str(self.certificate), "+cf", str(self.authority), *more]

    def toml(self, *more):
        """The files as lines of a node's or the receiver's table."""
        lines = [
            "tls = true",
            f'tls_ca_file = "{self.authority}"',
            f'tls_certificate = "{self.certificate}"',
            f'tls_key = "{self.key}"',
        ]
        return "\n".join((*lines, *more))

    def client_context(self):
        context = ssl.create_default_context(cafile=self.authority)
        context.load_cert_chain(self.certificate, self.key)
        return context


class Authority:
    """Signs certificates with RSA keys: what archives have."""

    def __init__(self, folder, name="Test Authority"):
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate, self.key = folder / "ca.pem", folder / "ca.key"
        self._request("ca", name)
        _openssl(
            "x509", "-req", "-in", folder / "ca.csr", "-signkey", self.key, "-days", "2",
            "-extfile", self._extensions("DNS:ca"), "-extensions", "ca", "-out", self.certificate,
        )  # fmt: skip

    def sign(self, name, names=HERE, *, dates=None):
        """Make a certificate for `names`; `dates` are its begin and end as YYYYMMDDHHMMSSZ."""
        self._request(name, name)
        out = self.folder / f"{name}.pem"
        if dates is None:
            _openssl(
                "x509", "-req", "-in", self.folder / f"{name}.csr", "-CA", self.certificate,
                "-CAkey", self.key, "-CAcreateserial", "-days", "2",
                "-extfile", self._extensions(names), "-extensions", "leaf", "-out", out,
            )  # fmt: skip
        else:
            self._sign_with_dates(name, names, out, dates)
        return Certificate(out, self.folder / f"{name}.key", self.certificate)

    def _sign_with_dates(self, name, names, out, dates):
        """Only `openssl ca` takes dates of the past."""
        (self.folder / "index.txt").write_text("")
        (self.folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\nnew_certs_dir={self.folder}\ndatabase={self.folder}/index.txt\n"
            "rand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
        )
        _openssl(
            "ca", "-batch", "-notext", "-config", self.folder / "ca.cnf", "-cert", self.certificate,
            "-keyfile", self.key, "-in", self.folder / f"{name}.csr", "-out", out,
            "-startdate", dates[0], "-enddate", dates[1],
            "-extfile", self._extensions(names), "-extensions", "leaf",
        )  # fmt: skip

    def _request(self, name, common_name):
        _openssl(
            "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={common_name}",
            "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.csr",
        )  # fmt: skip

    def _extensions(self, names):
        path = self.folder / "extensions.cnf"
        path.write_text(_EXTENSIONS.format(names=names))
        return path


def _openssl(*arguments):
    subprocess.run(
        ["openssl", *map(str, arguments)], check=True, capture_output=True, stdin=subprocess.DEVNULL
    )
