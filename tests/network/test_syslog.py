"""Syslog over TCP and TLS to a real collector, and to bad ones."""

import socket
import time

import pytest
from certificates import Authority
from syslog_collector import Collector as Server
from syslog_collector import tls_context

from mkiso.core.job import Collector, Tls
from mkiso.core.syslog_message import framed, syslog_message
from mkiso.errors import ConfigError, TemporaryError
from mkiso.network.syslog import send_messages

MOMENT = "2026-01-31T10:30:00.123+00:00"


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority")).sign("ours")


def message(content, **more):
    given = {"moment": MOMENT, "host": "here", "process_id": "7", **more}
    return syslog_message(content, **given)


def send(port, *contents, tls=None, timeout_seconds=5.0):
    to = Collector("127.0.0.1", port, is_tls=tls is not None)
    messages = [message(content) for content in contents]
    send_messages(to, tls or Tls(), messages, timeout_seconds=timeout_seconds)


def test_messages_arrive_in_order_in_frames_of_rfc_6587():
    with Server() as server:
        send(server.port, "<a>é 한</a>", "x" * 300_000, "")
    assert server.contents == ["<a>é 한</a>", "x" * 300_000, ""]
    assert server.faults == []
    first = server.messages[0]
    assert (first["priority"], first["moment"].decode()) == (b"85", MOMENT)
    assert (first["host"], first["app"], first["id"]) == (b"here", b"mkiso", b"DICOM+RFC3881")


def test_over_tls_both_show_certificates_and_part_with_a_goodbye(ours):
    with Server(tls_context(ours)) as server:
        send(server.port, "one", "two", tls=ours.tls())
    assert (server.contents, server.faults) == (["one", "two"], [])


def test_a_collector_without_a_good_certificate_gets_nothing(ours, tmp_path):
    stranger = Authority(tmp_path / "other", "Another Authority").sign("stranger")
    told = pytest.raises(ConfigError, match="certificate verify failed")
    with Server(tls_context(stranger)) as server, told:
        send(server.port, "one", tls=ours.tls())
    assert server.contents == []


def test_a_collector_that_does_not_take_our_certificate_is_no_delivery(ours, tmp_path):
    stranger = Authority(tmp_path / "other", "Another Authority").sign("stranger")
    mixed = Tls(str(ours.authority), str(stranger.certificate), str(stranger.key))
    with Server(tls_context(ours)) as server, pytest.raises((ConfigError, TemporaryError)):
        send(server.port, "one", tls=mixed)
    assert server.contents == []


def test_nobody_there_is_said():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(TemporaryError, match=r"audit collector 127\.0\.0\.1"):
            send(unused.getsockname()[1], "one")


@pytest.mark.parametrize("size", [10, 30_000_000])
def test_a_collector_that_does_not_read_ends_at_the_deadline_and_is_no_delivery(size):
    with Server(reads=False) as server:
        began = time.monotonic()
        with pytest.raises(TemporaryError):
            send(server.port, "x" * size, timeout_seconds=0.6)
        assert time.monotonic() - began < 15


def test_a_handshake_that_never_ends_ends_at_the_deadline(ours):
    with Server(reads=False) as server:
        began = time.monotonic()
        with pytest.raises(TemporaryError):
            send(server.port, "x", tls=ours.tls(), timeout_seconds=0.6)
        assert time.monotonic() - began < 15


def test_a_header_holds_printable_ascii_only():
    raw = message("x", host="hôst\n name", process_id="", is_failure=True)
    assert raw.startswith(f"<84>1 {MOMENT} hstname mkiso - DICOM+RFC3881 - ".encode())
    assert framed(b"abc") == b"3 abc"
