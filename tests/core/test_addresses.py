import pytest

from mkiso.core.addresses import parse_node, parse_receiver, require_ae_title
from mkiso.core.job import ReceiverAddress
from mkiso.errors import ConfigError, UsageError


@pytest.mark.parametrize(
    ("text", "ae_title", "host", "port"),
    [
        ("ABPACS@localhost:11112", "ABPACS", "localhost", 11112),
        ("ABPACS@[::1]:104", "ABPACS", "::1", 104),
        ("A@B@10.0.0.1:65535", "A@B", "10.0.0.1", 65535),
        (" MY PACS @host:1 ", "MY PACS", "host", 1),
    ],
)
def test_a_node_is_written_as_aet_at_host_colon_port(text, ae_title, host, port):
    node = parse_node(text)
    assert (node.ae_title, node.host, node.port) == (ae_title, host, port)
    assert node.name == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ABPACS",
        "ABPACS@host",
        "ABPACS@:104",
        "@host:104",
        "ABPACS@host:0",
        "ABPACS@host:65536",
        "ABPACS@host:000099999",
        "ABPACS@host:1e2",
        "ABPACS@host:\u0661",  # a digit to Python, not to DICOM
        "ABPACS@::1:104",
        "ABPACS@ho st:104",
        "TITLE_OF_17_CHARS@host:104",
        "A\\B@host:104",
        "A\x00B@host:104",
        "PÄCS@host:104",
        "   @host:104",
    ],
)
def test_a_malformed_node_is_refused_with_the_callers_error(text):
    with pytest.raises(UsageError):
        parse_node(text)
    with pytest.raises(ConfigError):
        parse_node(text, ConfigError)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("CDRECORD:10104", ReceiverAddress("CDRECORD", 10104, "")),
        ("CDRECORD@10104", ReceiverAddress("CDRECORD", 10104, "")),
        ("CDRECORD@:10104", ReceiverAddress("CDRECORD", 10104, "")),
        ("CD@127.0.0.1:104", ReceiverAddress("CD", 104, "127.0.0.1")),
        ("CD@[::1]:104", ReceiverAddress("CD", 104, "::1")),
        ("A:B:104", ReceiverAddress("A:B", 104, "")),
    ],
)
def test_our_own_address_may_name_an_address_to_bind(text, address):
    assert parse_receiver(text) == address


@pytest.mark.parametrize("text", ["", "CDRECORD", "CDRECORD:", "CDRECORD@", ":104", "CD@::1:104"])
def test_a_malformed_own_address_is_refused(text):
    with pytest.raises(UsageError):
        parse_receiver(text)


def test_spaces_around_an_ae_title_have_no_meaning():
    assert require_ae_title("  CDRECORD ") == "CDRECORD"
