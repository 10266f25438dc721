"""Who may send to us."""

import socket

import pytest

from mkiso.core.job import Node
from mkiso.errors import ConfigError
from mkiso.network.our_addresses import addresses_towards
from mkiso.network.senders import calling_ae_title_allowed, peer_allowed


def node(host="127.0.0.1", **more):
    return Node("abpacs", "ABPACS", host, 11112, **more)


@pytest.fixture
def lan_address():
    found = [a for a in addresses_towards("127.0.0.1", 1) if not a.startswith("127.")]
    if not found:
        pytest.skip("this machine has no address but loopback")
    return found[0]


def test_the_archive_s_address_may_send_and_no_other():
    allowed = peer_allowed(node("192.0.2.7"))
    assert allowed("192.0.2.7")
    assert not allowed("192.0.2.8")
    assert not allowed("127.0.0.1")
    assert not allowed("2001:db8::7")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_local_archive_may_send_from_every_local_address(host, lan_address):
    """Its move destination is often registered by the LAN address."""
    allowed = peer_allowed(node(host))
    assert allowed("127.0.0.1")
    assert allowed(lan_address)
    assert not allowed("192.0.2.7")


def test_send_from_is_all_there_is(lan_address):
    allowed = peer_allowed(node(send_from=("192.0.2.0/28", "2001:db8::/64", lan_address)))
    for address in ("192.0.2.5", "2001:db8::1", lan_address):
        assert allowed(address)
    for address in ("192.0.2.16", "2001:db8:1::1", "127.0.0.1"):
        assert not allowed(address)


def test_send_from_may_be_a_host_name():
    assert peer_allowed(node("192.0.2.7", send_from=("localhost",)))("127.0.0.1")


@pytest.mark.parametrize("name", ["no.such.host.invalid", "a" * 64 + ".example", ".", "x..y"])
def test_a_name_that_nobody_knows_is_named(name):
    with pytest.raises(ConfigError) as caught:
        peer_allowed(node(send_from=(name,)))
    assert name in caught.value.message
    assert "abpacs" in caught.value.message


def test_names_are_looked_up_once(monkeypatch):
    asked = []
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: asked.append(a[0]) or real(*a, **k))
    allowed = peer_allowed(node("localhost"))
    for _ in range(5):
        allowed("127.0.0.1")
    assert asked == ["localhost"]


def test_ae_titles_are_the_archive_s_or_those_of_send_as():
    assert calling_ae_title_allowed(node())(" ABPACS ")
    assert not calling_ae_title_allowed(node())("OTHER")
    several = calling_ae_title_allowed(node(send_as=("MOVER", "STORE ")))
    assert several("MOVER")
    assert several("STORE")
    assert not several("ABPACS")
