"""DICOM TLS on both sides, against OpenSSL, dcmtk and ourselves."""

import contextlib
import dataclasses
import os
import random
import socket
import ssl
import subprocess
import time

import pytest
from certificates import Authority
from peers import free_ports, tool

from mkiso.archive.server import EmbeddedArchive
from mkiso.core.certificate import validity_of
from mkiso.core.job import Job, Node, ReceiverAddress, Tls
from mkiso.errors import ConfigError, TemporaryError
from mkiso.network import negotiation
from mkiso.network.echo import echo
from mkiso.network.receiver import Receiver, StorageJob
from mkiso.network.tls import client_context, require_tls, require_valid, server_context
from mkiso.network.transport import Deadlines, ProposedContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def ours(authority):
    return authority.sign("ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "Another Authority").sign("stranger")


@contextlib.contextmanager
def archive(tmp_path, tls, **options):
    with EmbeddedArchive(tmp_path, tls=tls, **options) as running:
        yield running


def node(port, tls=None, **more):
    return Node("abpacs", "ABPACS", more.pop("host", "127.0.0.1"), port, tls=tls, **more)


def ask(port, tls=None, **more):
    echo(node(port, tls, **more), calling_ae_title="CDRECORD")


def files(of, /, **changes):
    """The TLS of a certificate with some of its files changed."""
    given = {
        "ca_file": str(of.authority),
        "certificate": str(of.certificate),
        "key": str(of.key),
        **changes,
    }
    return Tls(**given)


# --- who trusts whom


def test_both_sides_show_certificates_of_one_authority(tmp_path, ours):
    with archive(tmp_path, ours.tls()) as running:
        ask(running.port, ours.tls())
        ask(running.port, ours.tls(), host="localhost")


def test_a_client_without_certificate_is_turned_away_and_told_so(tmp_path, ours):
    told = pytest.raises(ConfigError, match=r"certificate required.* tls_certificate")
    with archive(tmp_path, ours.tls()) as running, told:
        ask(running.port, Tls(str(ours.authority)))


@pytest.mark.fault("F80")
def test_a_certificate_of_another_authority_is_no_certificate(tmp_path, ours, stranger):
    mixed = files(stranger, ca_file=str(ours.authority))
    with archive(tmp_path, ours.tls()) as running:
        with pytest.raises(ConfigError, match="does not take our certificate"):
            ask(running.port, mixed)
        with pytest.raises(ConfigError, match=r"certificate of ABPACS .* is not good"):
            ask(running.port, stranger.tls())


def test_without_a_ca_file_the_authorities_of_the_system_decide(tmp_path, ours):
    with archive(tmp_path, ours.tls()) as running, pytest.raises(ConfigError, match="not good"):
        ask(running.port, files(ours, ca_file=""))


def test_without_a_ca_file_a_receiver_encrypts_and_asks_for_no_certificate(tmp_path, ours):
    with archive(tmp_path, ours.tls(authority=False)) as running:
        ask(running.port, Tls(str(ours.authority)))


def test_a_certificate_for_another_host_is_refused_unless_the_site_says_so(tmp_path, authority):
    elsewhere = authority.sign("elsewhere", "DNS:archive.hospital.example")
    with archive(tmp_path, elsewhere.tls()) as running:
        with pytest.raises(ConfigError, match="not good"):
            ask(running.port, elsewhere.tls())
        ask(running.port, elsewhere.tls(verify_host=False))


def test_no_setting_turns_the_check_of_the_certificate_off(ours):
    context = client_context(ours.tls(verify_host=False))
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert client_context(Tls()).verify_mode == ssl.CERT_REQUIRED


@pytest.mark.fault("F80")
def test_an_expired_certificate_of_the_archive_is_refused(tmp_path, authority, ours):
    old = authority.sign("old", dates=("20200101000000Z", "20210101000000Z"))
    with archive(tmp_path, old.tls()) as running, pytest.raises(ConfigError, match="expired"):
        ask(running.port, ours.tls())


@pytest.mark.parametrize(
    ("names", "admitted"),
    [
        (("pacs.example",), True),
        (("PACS.Example", "other.example"), True),
        (("192.0.2.7",), True),
        (("the-pacs",), True),  # the common name
        (("other.example",), False),
        (("example",), False),
    ],
)
def test_of_one_authority_only_the_certificates_that_are_named_may_send(
    tmp_path, authority, ours, names, admitted
):
    sender = authority.sign("the-pacs", "DNS:pacs.example,IP:192.0.2.7")
    said = []
    listening = dataclasses.replace(ours.tls(), names=names)
    with archive(tmp_path, listening, peer_failed=lambda ip, e: said.append(str(e))) as running:
        if admitted:
            ask(running.port, sender.tls())
            return
        with pytest.raises((ConfigError, TemporaryError)):
            ask(running.port, sender.tls())
        wait_until(lambda: said)
    assert "'192.0.2.7, pacs.example, the-pacs', which tls_names does not list" in said[0]


# --- old protocols and weak ciphers


@pytest.mark.fault("F80")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_before_tls_1_2_nobody_is_served(tmp_path, ours, version):
    client = ours.client_context()
    client.minimum_version = version
    client.maximum_version = version
    client.set_ciphers("DEFAULT:@SECLEVEL=0")
    with archive(tmp_path, ours.tls()) as running, pytest.raises((ssl.SSLError, OSError)):
        handshake(running.port, client)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_served(tmp_path, ours, version):
    client = ours.client_context()
    client.minimum_version = client.maximum_version = version
    with archive(tmp_path, ours.tls()) as running:
        assert handshake(running.port, client).startswith(("TLS_", "ECDHE-"))


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256", "NULL", "ADH"])
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(tmp_path, ours, cipher):
    client = ours.client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with archive(tmp_path, ours.tls()) as running, pytest.raises((ssl.SSLError, OSError)):
        handshake(running.port, client)


def handshake(port, context):
    """Connect and return the cipher."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        return sock.cipher()[0]


# --- TLS here and none there


def test_a_plain_client_at_a_tls_port_is_told_apart(tmp_path, ours):
    said = []
    with archive(tmp_path, ours.tls(), peer_failed=lambda ip, e: said.append(str(e))) as running:
        with pytest.raises(TemporaryError):
            ask(running.port)
        wait_until(lambda: said)
    assert "TLS handshake with 127.0.0.1 failed" in said[0]


def test_a_tls_client_at_a_plain_port_is_told_apart(tmp_path, ours):
    said = []
    with archive(tmp_path, None, peer_failed=lambda ip, e: said.append(str(e))) as running:
        with pytest.raises(ConfigError, match="TLS"):
            ask(running.port, ours.tls())
        wait_until(lambda: said)
    assert said == ["The peer begins with TLS, and TLS is not switched on here."]


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


# --- files


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ca_file": "{0}/none.pem"}, "none.pem .* cannot be read: No such file"),
        ({"ca_file": "{0}/text"}, r"text \(tls_ca_file\) holds no certificate"),
        ({"certificate": "{0}/text"}, r"text \(tls_certificate\) holds no certificate"),
        ({"key": "{0}/text"}, r"text \(tls_key\) is not the one of"),
        ({"key": "{0}"}, "cannot be read: Is a directory"),
        ({"key": "{0}/locked.key"}, "pass phrase"),
    ],
)
def test_a_file_that_does_not_do_is_named(tmp_path, ours, change, words):
    (tmp_path / "text").write_text("no PEM in here\n")
    subprocess.run(
        ["openssl", "rsa", "-aes128", "-passout", "pass:x", "-in", ours.key,
         "-out", tmp_path / "locked.key"], check=True, capture_output=True,
    )  # fmt: skip
    broken = files(ours, **{key: value.format(tmp_path) for key, value in change.items()})
    job = Job("j", ("A1",), node(1, broken))
    with pytest.raises(ConfigError, match=words):
        require_tls(job)


def test_the_key_of_another_certificate_is_noticed_before_anything_is_connected(ours, stranger):
    job = Job("j", ("A1",), node(1, files(ours, key=str(stranger.key))))
    with pytest.raises(ConfigError, match="is not the one of the certificate"):
        require_tls(job)


def test_an_expired_certificate_of_ours_is_noticed_before_anything_is_connected(authority):
    old = authority.sign("mine", dates=("20200101000000Z", "20210101000000Z")).tls()
    job = Job("j", ("A1",), node(1), receiver=ReceiverAddress(tls=old))
    with pytest.raises(ConfigError, match="expired on 2021-01-01"):
        require_tls(job)
    require_tls(Job("j", ("A1",), node(1, retrieve="get"), receiver=ReceiverAddress(tls=old)))
    with pytest.raises(ConfigError, match="not valid yet"):
        require_valid(old, 1_000_000_000)
    assert require_valid(old, 1_600_000_000) == 1_609_459_200 - 1_600_000_000


def test_the_dates_are_those_that_openssl_reads(ours):
    text = tool("openssl", "x509", "-in", str(ours.certificate), "-noout", "-dates")
    dates = [ssl.cert_time_to_seconds(line.partition("=")[2]) for line in text.splitlines()]
    validity = validity_of(ours.certificate.read_bytes())
    assert [validity.begins, validity.ends] == dates


@pytest.mark.parametrize("content", [b"", (b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n"
                                     b"-----END CERTIFICATE-----\n")])  # fmt: skip
def test_what_is_no_certificate_has_no_dates(content):
    with pytest.raises(ValueError, match="certificate"):
        validity_of(content)


def test_a_renewed_certificate_is_read_without_a_new_start(tmp_path, authority, ours):
    path = tmp_path / "we.pem"
    path.write_bytes(ours.certificate.read_bytes())
    tls = files(ours, certificate=str(path))
    first = server_context(tls)
    assert server_context(tls) is first
    renewed = authority.sign("ours-again")
    path.write_bytes(renewed.certificate.read_bytes())
    os.utime(path, (1, 1))
    assert server_context(files(ours, certificate=str(path), key=str(renewed.key))) is not first
    with pytest.raises(ConfigError, match="is not the one"):
        server_context(tls)


# --- who is slow or silent


@contextlib.contextmanager
def receiver(ours, **deadlines):
    listening = Receiver(
        "CDRECORD", "127.0.0.1", 0, tls=server_context(ours.tls()), deadlines=Deadlines(**deadlines)
    )
    job = StorageJob(
        peer_allowed=lambda _ip: True,
        calling_ae_title_allowed=lambda _title: True,
        move_originator_allowed=lambda _title, _id: True,
        begin=lambda *_: None,
        wanted=lambda *_: False,
        stored=lambda _: False,
    )
    with listening:
        listening.start(job)
        yield listening


def us(port, tls):
    return Node("us", "CDRECORD", "127.0.0.1", port, tls=tls)


@pytest.mark.fault("F80")
def test_forty_silent_clients_keep_nobody_from_being_served(ours):
    with receiver(ours) as listening, contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(socket.create_connection(("127.0.0.1", listening.port)))
        began = time.monotonic()
        echo(us(listening.port, ours.tls()), calling_ae_title="ABPACS")
        assert time.monotonic() - began < 9


def hello(certificate):
    """The first record of a client: what a slow one sends byte by byte."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certificate.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("pause", [None, 0.05])
def test_a_handshake_that_never_ends_is_ended(ours, pause):
    """Silent, and dripping a byte at a time: the deadline is for all of it."""
    with (
        receiver(ours, request_seconds=0.6) as listening,
        socket.create_connection(("127.0.0.1", listening.port)) as sock,
    ):
        began = time.monotonic()
        sock.settimeout(20)
        if pause:
            with contextlib.suppress(OSError):
                for byte in hello(ours):
                    sock.sendall(bytes([byte]))
                    time.sleep(pause)
                    assert time.monotonic() - began < 9
        with contextlib.suppress(ConnectionError):
            assert sock.recv(100) == b""
        assert 0.4 < time.monotonic() - began < 9


@pytest.mark.parametrize("sent", [0, 3, 40])
def test_a_client_that_stalls_after_the_handshake_is_ended(ours, sent):
    """Also inside a TLS record: `sent` bytes of one that was promised whole."""
    with receiver(ours, request_seconds=0.6) as listening:
        plain = socket.create_connection(("127.0.0.1", listening.port))
        with Half(plain, ours) as client:
            record = client.record(bytes([1, 0, 0, 0, 1, 0]) + bytes(256))
            began = time.monotonic()
            plain.sendall(record[:sent])
            plain.settimeout(20)
            with contextlib.suppress(ConnectionError):
                while plain.recv(4096):
                    pass
            assert time.monotonic() - began < 9
        wait_until(lambda: not listening._listener.connections_open)


class Half:
    """A TLS client whose records can be cut in two: the handshake in memory, the socket plain."""

    def __init__(self, plain, certificate):
        self.plain = plain
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = certificate.client_context().wrap_bio(
            self.incoming, self.outgoing, server_hostname="localhost"
        )
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.plain.sendall(self.outgoing.read())
                self.incoming.write(self.plain.recv(65536))
        self.plain.sendall(self.outgoing.read())

    def record(self, content):
        self.tls.write(content)
        return self.outgoing.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.plain.close()


def test_a_stall_inside_a_record_of_an_association_has_its_deadline(tmp_path, ours):
    """The header of a PDU came, the record with the rest of it never ends."""
    with receiver(ours, pdu_seconds=0.5) as listening:
        plain = socket.create_connection(("127.0.0.1", listening.port))
        with Half(plain, ours) as client:
            context = ProposedContext("1.2.840.10008.1.1", ("1.2.840.10008.1.2",))
            request = negotiation.encode_request("ABPACS", "CDRECORD", [(1, context)], 16384)
            plain.sendall(client.record(request))
            assert plain.recv(65536)  # the A-ASSOCIATE-AC
            plain.sendall(client.record(bytes([4, 0, 0, 0, 1, 0])))
            plain.sendall(client.record(bytes(256))[:100])
            plain.settimeout(20)
            began = time.monotonic()
            with contextlib.suppress(ConnectionError):
                while plain.recv(4096):
                    pass
            assert time.monotonic() - began < 9


@pytest.mark.fault("F80")
def test_a_server_that_stalls_in_the_handshake_is_given_up(ours):
    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        with pytest.raises(TemporaryError):
            echo(
                node(server.getsockname()[1], ours.tls()),
                calling_ae_title="CDRECORD",
                deadlines=Deadlines(association_seconds=0.6),
            )
        assert time.monotonic() - began < 9


def test_garbage_at_a_tls_port_harms_nobody(ours):
    """Random bytes, records of random content, and a good hello with flipped bytes."""
    dice = random.Random(20260131)
    good = hello(ours)
    with receiver(ours, request_seconds=1.0) as listening:
        for number in range(60):
            sent = bytearray(good) if number % 3 == 0 else bytearray(dice.randbytes(400))
            if number % 3 == 0:
                for _ in range(5):
                    sent[dice.randrange(len(sent))] = dice.randrange(256)
            elif number % 3 == 1:
                sent[:5] = bytes([dice.choice((20, 21, 22, 23)), 3, 3]) + (395).to_bytes(2, "big")
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", listening.port)) as sock,
            ):
                sock.sendall(sent)
        echo(us(listening.port, ours.tls()), calling_ae_title="ABPACS")
        wait_until(lambda: not listening._listener.connections_open)
        assert listening.reception.failure is None


# --- dcmtk


@pytest.fixture
def dcmtk(need_program):
    need_program("echoscu", "storescu", "storescp", "findscu")


@pytest.mark.peers
def test_dcmtk_talks_tls_with_our_port(tmp_path, ours, stranger, dcmtk):
    with archive(tmp_path, ours.tls()) as running:
        command = ("echoscu", "-v", "-to", "5", "-aec", "ABPACS", "localhost", str(running.port))
        assert "Received Echo Response (Success)" in tool(*command, *ours.dcmtk())
        assert "Received Echo" not in tool(*command)
        assert "Received Echo" not in tool(*command, *stranger.dcmtk())
        mixed = ["+tls", str(stranger.key), str(stranger.certificate), "+cf", str(ours.authority)]
        assert "Received Echo" not in tool(*command, *mixed)
        answer = tool(
            "findscu", "-v", "-S", "-to", "5", "-aec", "ABPACS", "localhost", str(running.port),
            *ours.dcmtk(), "-k", "0008,0052=STUDY", "-k", "0020,000D=1.2.3",
        )  # fmt: skip
        assert "Success" in answer


@pytest.mark.peers
@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_the_profiles_of_dcmtk_that_follow_bcp_195_are_understood(tmp_path, ours, profile, dcmtk):
    with archive(tmp_path, ours.tls()) as running:
        answer = tool(
            "echoscu", "-v", "-to", "5", "-aec", "ABPACS", "localhost", str(running.port),
            *ours.dcmtk(profile),
        )  # fmt: skip
    assert "Received Echo Response (Success)" in answer


@pytest.mark.peers
def test_we_talk_tls_with_dcmtk_s_port(tmp_path, ours, stranger, dcmtk):
    (port,) = free_ports(1)
    process = subprocess.Popen(
        ["storescp", *ours.dcmtk("-rc"), "-aet", "ABPACS", "-od", str(tmp_path), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: listens(port))
        ask(port, ours.tls())
        with pytest.raises(ConfigError):
            ask(port, files(stranger, ca_file=str(ours.authority)))
        with pytest.raises(ConfigError):
            ask(port, stranger.tls())
        ask(port, ours.tls())
    finally:
        process.kill()
        process.wait(10)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
