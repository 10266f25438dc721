"""DICOM TLS (PS3.15 B.12, the BCP 195 profile of RFC 8996 and 9325): contexts from PEM files.

TLS 1.2 at least, forward secrecy and authenticated encryption only. The other side's certificate is
always checked: there is no setting for encryption without authentication.
"""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mkiso.core.certificate import validity_of
from mkiso.core.job import Job, Tls
from mkiso.errors import ConfigError

_NAME_KINDS = ("DNS", "IP Address")
#: RFC 9325 4.2 for TLS 1.2; those of TLS 1.3 are all of that kind.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_Stamps = tuple[tuple[int, int], ...]


class ServerContext(ssl.SSLContext):
    """A context to listen with, and the names of which a client's certificate must have one."""

    client_names: frozenset[str] = frozenset()

    def admits(self, certificate: Mapping[str, Any] | None) -> bool:
        """Whether a verified certificate (as `getpeercert` gives it) has one of the names."""
        return not self.client_names or bool(self.client_names & certificate_names(certificate))


def certificate_names(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the names of a certificate in small letters: DNS, IP address, common name."""
    given = certificate or {}
    names = [value for kind, value in given.get("subjectAltName", ()) if kind in _NAME_KINDS]
    for part in given.get("subject", ()):
        names += [value for kind, value in part if kind == "commonName"]
    return frozenset(name.casefold() for name in names)


def client_context(tls: Tls | None) -> ssl.SSLContext | None:
    """Return the context to connect with, None for a line that is not encrypted.

    Raises ConfigError naming the file that is missing, unreadable or does not fit.
    """
    return None if tls is None else _context(tls, _stamps(tls), is_server=False)


def server_context(tls: Tls | None) -> ssl.SSLContext | None:
    """Return the context to listen with; with a CA file, who connects must show a certificate.

    Raises as `client_context` does.
    """
    return None if tls is None else _context(tls, _stamps(tls), is_server=True)


def require_tls(job: Job, now: Callable[[], float] = time.time) -> None:
    """Read every certificate of a job before anything is connected. Raises ConfigError."""
    nodes = [node.tls for node in (job.archive, *job.forward)]
    ours = job.receiver.tls if job.archive.retrieve == "move" else None
    for tls in nodes:
        client_context(tls)
    server_context(ours)
    for tls in dict.fromkeys((*nodes, ours)):
        if tls is not None and tls.certificate:
            require_valid(tls, now())


def require_valid(tls: Tls, now: float) -> float:
    """Return the seconds that our certificate still holds. Raises ConfigError when it does not."""
    validity = validity_of(_read(tls.certificate))
    if now < validity.begins:
        raise ConfigError(
            f"The certificate {tls.certificate} is not valid yet; see to the clock of this "
            "machine, or to the certificate."
        )
    if now >= validity.ends:
        day = time.strftime("%Y-%m-%d", time.gmtime(validity.ends))
        raise ConfigError(
            f"The certificate {tls.certificate} has expired on {day}; have it renewed."
        )
    return validity.ends - now


@functools.lru_cache(maxsize=32)
def _context(tls: Tls, _stamps: _Stamps, *, is_server: bool) -> ssl.SSLContext:
    """Build a context; built anew when a file has changed (a queue runs for weeks)."""
    context: ssl.SSLContext
    if is_server:
        context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
        context.client_names = frozenset(name.casefold() for name in tls.names)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    if is_server:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        context.num_tickets = 0  # nobody resumes; a ticket would be bytes that are no message
        context.verify_mode = ssl.CERT_REQUIRED if tls.ca_file else ssl.CERT_NONE
    else:
        context.check_hostname = tls.verify_host
    _load_authorities(context, tls, is_server=is_server)
    _load_certificate(context, tls)
    return context


def _load_authorities(context: ssl.SSLContext, tls: Tls, *, is_server: bool) -> None:
    if not tls.ca_file:
        if not is_server:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(cadata=_read(tls.ca_file).decode("ascii", "replace"))
    except ssl.SSLError as error:
        raise ConfigError(
            f"The file of authorities {tls.ca_file} (tls_ca_file) holds no certificate in PEM form."
        ) from error


def _load_certificate(context: ssl.SSLContext, tls: Tls) -> None:
    if not tls.certificate:
        return
    key = tls.key or tls.certificate
    try:
        validity_of(_read(tls.certificate))
    except ValueError as error:
        raise ConfigError(
            f"The file {tls.certificate} (tls_certificate) holds no certificate in PEM form."
        ) from error
    _read(key)
    try:
        context.load_cert_chain(tls.certificate, key, password=_no_pass_phrase)
    except _PassPhraseError as error:
        raise ConfigError(
            f"The private key {key} has a pass phrase, and nobody is there to type it; take it "
            "off and keep the file readable for this user alone."
        ) from error
    except ssl.SSLError as error:
        raise ConfigError(
            f"The private key {key} (tls_key) is not the one of the certificate {tls.certificate}."
        ) from error


class _PassPhraseError(Exception):
    """OpenSSL asks for a pass phrase; it would ask on the terminal otherwise."""


def _no_pass_phrase() -> str:
    raise _PassPhraseError


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"The file {name} for TLS cannot be read: {error.strerror}.") from error


def _stamps(tls: Tls) -> _Stamps:
    """Return when the files were changed, and their sizes."""
    stamps = []
    for name in (tls.ca_file, tls.certificate, tls.key):
        try:
            status = Path(name).stat() if name else None
        except OSError:
            status = None  # reading it says what is wrong
        stamps.append((status.st_mtime_ns, status.st_size) if status else (0, 0))
    return tuple(stamps)
