"""Whole jobs through a proxy and against senders that spoil what is sent: complete, or refused."""

import contextlib
import ctypes
import gc
import os
import random
import resource
import socket
import struct
import threading
import time
import warnings
from pathlib import Path

import pytest
import raw_peer as raw
from faults.proxy import Proxy
from faults.whole import UIDS, heals, refused
from odd_archive import encoded
from raw_peer import RawPeer
from scripted_peer import wait_for
from whole_jobs import CT, PATIENT, instance, save, study

from mkiso.archive.sending import Destination
from mkiso.network import dimse
from mkiso.network.receiver import Receiver, StorageJob
from mkiso.storage.instances import InstanceStore

EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPIP = "1.2.840.10008.1.2.4.94"
PRIVATE = "1.3.12.2.1107.5.9.1"


@pytest.fixture
def through(lab, archive):
    """Give the way from the archive to the job a proxy."""

    def begin(**options):
        proxy = Proxy(lab.port, **options)
        archive.destinations["CDRECORD"] = Destination("CDRECORD", "127.0.0.1", proxy.port)
        return proxy

    return begin


def straight(lab):
    lab.archive.destinations["CDRECORD"] = Destination("CDRECORD", "127.0.0.1", lab.port)


# --- a proxy between archive and receiver


@pytest.mark.fault("F20", "F24", "F36", "F37", "F42")
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("action", ["drop", "cut", "truncate", "corrupt", "delay"])
def test_one_c_store_that_is_spoilt_on_the_way_is_sent_again(lab, through, action, nth):
    with through(stores={nth: action}, delay_seconds=0.1) as proxy:
        result = lab.make(node={"retries": 1})
        assert proxy.done == [action]
    assert result.code == 0, result.report
    assert result.on_disc == UIDS
    straight(lab)
    heals(lab)


@pytest.mark.fault("F20", "F37")
@pytest.mark.parametrize("action", ["drop", "truncate", "corrupt"])
def test_what_is_always_spoilt_is_missing_and_named(lab, through, action):
    with through(stores=dict.fromkeys(range(2, 100), action)):
        result = refused(lab.make(), 80, received=1)
    assert len(result.missing) == 2
    straight(lab)
    heals(lab)


@pytest.mark.fault("F24", "G12")
def test_a_network_that_breaks_every_third_time_still_gives_the_disc(lab, through):
    with through(stores=dict.fromkeys(range(3, 100, 3), "cut")) as proxy:
        result = lab.make(node={"retries": 3})
        assert proxy.done
    assert result.code == 0, result.report
    assert result.on_disc == UIDS


@pytest.mark.fault("F25", "F38", "F27")
@pytest.mark.parametrize("nth", [1, 3])
def test_a_way_that_hangs_is_given_up_at_the_stall_time(lab, through, nth):
    with through(stores={nth: "stall"}):
        result = refused(lab.make(), 75, received=nth - 1)
    assert result.seconds < 20
    straight(lab)
    lab.restart()
    heals(lab)


def positions(count):
    """Bytes at which to spoil the stream: the heads of its parts, and any others."""
    dice = random.Random(20261121)
    return [0, 1, 3, 5, 6, 7, 73, 74, 75, *sorted(dice.sample(range(80, 2600), count))]


@pytest.mark.fault("F24", "F25", "F06")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", ["cut_at", "stall_at", "flip_at"])
@pytest.mark.parametrize("count", [5, pytest.param(150, marks=pytest.mark.nightly)])
def test_a_stream_that_is_spoilt_at_any_byte_never_gives_a_wrong_disc(lab, through, what, count):
    """A changed byte of pixels cannot be told from a pixel; everything else has to be noticed."""
    for position in positions(count):
        with through(**{what: position}) as proxy:
            result = lab.make(name=f"at{position}", stall_timeout_seconds=1.5,
                              first_instance_timeout_seconds=1.5)  # fmt: skip
            assert proxy.done, position
        new = [disc for disc in result.discs if disc.stem == f"at{position}"]
        if result.code == 0:
            assert len(new) == 1
        else:
            assert new == []
            assert result.code in (75, 78, 80, 81), (position, result.report)
        for disc in new:
            disc.unlink()
            disc.with_suffix(".json").unlink()
    straight(lab)


# --- senders that spoil


def hostile(lab, behave):
    """An `on_move`: a raw connection to the receiver misbehaves, then all is sent as it should."""

    def on_move(move):
        with RawPeer(lab.port) as peer, contextlib.suppress(OSError, EOFError):
            behave(peer, move)  # and is turned away
        move.normally()

    lab.archive.on_move = on_move


def associated(peer, *contexts):
    peer.associate(*(contexts or ((1, CT, EXPLICIT),)), calling="ABPACS")


def pdu_of_4_gib(peer, _move):
    peer.send(struct.pack(">BxL", 1, 0xFFFFFFFF), b"x" * 100_000)
    peer.read_last_pdu()


def data_pdu_of_4_gib(peer, _move):
    associated(peer)
    peer.send(struct.pack(">BxL", 4, 0xFFFFFFFF), b"x" * 100_000)
    peer.read_last_pdu()


def pdv_of_4_gib(peer, _move):
    associated(peer)
    peer.send(raw.pdu(4, struct.pack(">LBB", 0xFFFFFFFF, 1, 3) + b"x" * 1000))
    peer.read_last_pdu()


def element_of_4_gib(peer, move):
    associated(peer)
    data = raw.data_set("1.2.3.1.1", study="1.2.3", series="1.2.3.1")[:-1100]
    data += struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, 0xFFFFFFFE) + b"12"
    assert peer.store("1.2.3.1.1", data, originator=("CDRECORD", move.message_id)) != 0


def nonsense(peer, _move):
    peer.send(os.urandom(5000))
    peer.read_last_pdu()


def nonsense_inside(peer, _move):
    associated(peer)
    peer.send(os.urandom(5000))
    peer.read_last_pdu()


def http(peer, _move):
    peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    peer.read_last_pdu()


def tls(peer, _move):
    peer.send(bytes.fromhex("1603010200010001fc0303") + bytes(200))
    peer.read_last_pdu()


def scanner(peer, _move):
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def echo_only(peer, _move):
    associated(peer, (1, raw.VERIFICATION, raw.IMPLICIT))
    assert peer.echo() == 0
    peer.release()


def release_inside(peer, move):
    associated(peer)
    command = raw.store_command(CT, "1.2.3.1.1", originator=("CDRECORD", move.message_id))
    peer.send(raw.p_data(raw.pdv(1, 3, command)), raw.RELEASE_RQ_PDU)
    peer.read_last_pdu()


def sends_after_abort(peer, move):
    associated(peer)
    peer.send(raw.ABORT_PDU)
    for _ in range(50):
        peer.send_store("1.2.3.1.1", raw.data_set("1.2.3.1.1"))


def keeps_sending_after_release(peer, move):
    associated(peer)
    peer.release()
    peer.send_store("1.2.3.1.1", raw.data_set("1.2.3.1.1"))


def command_flood(peer, _move):
    associated(peer)
    for _ in range(2000):
        peer.send(raw.p_data(raw.pdv(1, 1, b"x" * 1000)))
    peer.read_last_pdu()


def no_data_set(peer, move):
    associated(peer)
    assert peer.store("1.2.3.1.1", None, originator=("CDRECORD", move.message_id)) != 0


def empty_data_set(peer, move):
    associated(peer)
    assert peer.store("1.2.3.1.1", b"", originator=("CDRECORD", move.message_id)) != 0


def random_data_set(peer, move):
    associated(peer)
    data = os.urandom(3000)
    assert peer.store("1.2.3.1.1", data, originator=("CDRECORD", move.message_id)) != 0


def other_context(peer, _move):
    associated(peer)
    peer.send_store("1.2.3.1.1", raw.data_set("1.2.3.1.1"), context_id=99)
    peer.read_last_pdu()


def response_to_nothing(peer, _move):
    associated(peer)
    answer = {0x0002: raw.uid_bytes(CT), 0x0100: raw.us(0x8001), 0x0120: raw.us(1),
              0x0800: raw.us(0x0101), 0x0900: raw.us(0)}  # fmt: skip
    peer.send(raw.p_data(raw.pdv(1, 3, raw.command_set(answer))))
    peer.read_last_pdu()


def older_job(peer, move):
    associated(peer)
    other = move.message_id % 65535 + 1
    data = raw.data_set("1.9.9.1", study="1.9.9", series="1.9.9.1")
    assert peer.store("1.9.9.1", data, originator=("CDRECORD", other)) == 0xC409


HOSTILE = (
    pdu_of_4_gib, data_pdu_of_4_gib, pdv_of_4_gib, element_of_4_gib, nonsense, nonsense_inside,
    http, tls, scanner, echo_only, release_inside, sends_after_abort, keeps_sending_after_release,
    command_flood, no_data_set, empty_data_set, random_data_set, other_context,
    response_to_nothing, older_job,
)  # fmt: skip


@pytest.mark.fault("F39", "F40", "F37", "G23")
@pytest.mark.parametrize("behave", HOSTILE, ids=lambda each: each.__name__)
def test_a_hostile_peer_changes_nothing(lab, archive, behave):
    hostile(lab, behave)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = lab.make(**PATIENT)
    assert result.code == 0, result.report
    assert result.on_disc == UIDS
    assert result.seconds < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


@pytest.mark.fault("F39", "F33")
def test_many_hostile_peers_beside_sixteen_good_associations_change_nothing(lab):
    """Forty-eight silent, dripping, flooding or idle connections, while the study arrives."""
    study(lab.images, 96)
    archive = lab.start()
    threads, ends = [], threading.Event()

    def misbehave(number):
        calling = "EVIL" if number % 2 else "ABPACS"
        request = raw.associate_rq([(1, CT, EXPLICIT)], calling=calling)
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", lab.port)) as sock,
        ):
            while number % 8 == 0 and not ends.is_set():
                sock.sendall(os.urandom(10_000))
            for byte in request if number % 3 else b"":
                sock.sendall(bytes((byte,)))
                if ends.wait(0.002 if number % 4 else 0.1):
                    return
            ends.wait(20)

    def on_move(move):
        for number in range(48):
            threads.append(threading.Thread(target=misbehave, args=(number,)))
            threads[-1].start()
        time.sleep(0.3)
        good = [
            threading.Thread(target=move.send, args=(move.instances[n::16],)) for n in range(16)
        ]
        for each in good:
            each.start()
        for each in good:
            each.join()
        move.finish(0x0000, completed=96)

    archive.on_move = on_move
    result = lab.make(**PATIENT, check=False)
    ends.set()
    for thread in threads:
        thread.join()
    lab.check(result)
    assert result.code == 0, result.report
    assert len(result.on_disc) == 96
    assert result.seconds < 20


@pytest.mark.fault("F40")
def test_an_archive_that_goes_on_after_the_job_reaches_nobody(lab, archive):
    outcome, ended = [], threading.Event()

    def go_on(move):
        ended.wait(20)
        try:
            outcome.append(move.send())
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing was stored
            outcome.append(error)

    def on_move(move):
        if move.number == 0:
            move.send(move.instances[:1])
            threading.Thread(target=go_on, args=(move,), daemon=True).start()
        move.finish(0xB000, completed=0, failed=3)

    archive.on_move = on_move
    refused(lab.make(), 80, received=1)
    ended.set()
    wait_for(lambda: outcome)
    assert outcome[0] != 3
    assert list(lab.output.iterdir()) == []
    heals(lab)


# --- what is proposed and sent


@pytest.mark.fault("F28")
@pytest.mark.parametrize("syntax", [DEFLATED, JPIP])
def test_syntaxes_that_are_refused_leave_a_gap_that_is_named(lab, archive, syntax):
    refusals = []

    def only_that(move):
        with RawPeer(lab.port) as peer:
            peer.associate((1, CT, syntax), calling="ABPACS")
            refusals.append(peer.answers[1][0])
            peer.release()
        move.finish(0xB000, completed=0, failed=3)

    archive.on_move = only_that
    result = refused(lab.make(), 80, received=0)
    assert result.missing == UIDS
    assert set(refusals) == {4}
    heals(lab)


@pytest.mark.fault("F28")
def test_any_other_syntax_is_taken_as_it_comes(lab, archive):
    syntaxes = [f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 90, 91, 201)]
    syntaxes += ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"]
    answers = {}

    def propose(move):
        with RawPeer(lab.port) as peer:
            contexts = [(2 * n + 1, CT, syntax) for n, syntax in enumerate(syntaxes)]
            answers.update(peer.associate(*contexts, calling="ABPACS"))
            peer.release()
        move.normally()

    archive.on_move = propose
    assert lab.make().code == 0
    assert [answers[2 * n + 1] for n in range(len(syntaxes))] == [(0, s) for s in syntaxes]


@pytest.mark.fault("F29")
def test_a_private_class_is_on_the_disc_as_private(lab, need_program, tmp_path):
    save(lab.images, "private", instance(series=2, SOPClassUID=PRIVATE))
    lab.start()
    result = lab.make()
    assert result.code == 0, result.report
    assert result.on_disc == UIDS | {"1.2.3.2.1"}


@pytest.mark.fault("F49")
@pytest.mark.parametrize(
    "uid",
    ["../../../etc/passwd", "/tmp/x", "..", "1.2.3/../../x", "1.2\x00.3", "", "1" * 65, "%s%n"],
)
def test_a_uid_like_a_path_names_no_file(lab, archive, uid):
    before = sorted(lab.folder.iterdir())
    statuses = []

    def with_it(move):
        with RawPeer(lab.port) as peer:
            peer.associate((1, CT, EXPLICIT), calling="ABPACS")
            try:
                data = raw.data_set(uid, study="1.2.3", series="1.2.3.1")
                originator = ("CDRECORD", move.message_id)
                statuses.append(peer.store(uid, data, originator=originator))
            except (OSError, EOFError, AssertionError):
                statuses.append(None)
        move.normally()

    archive.on_move = with_it
    result = lab.make()
    assert result.code == 0, result.report
    assert result.on_disc == UIDS
    assert 0 not in statuses
    assert sorted(set(lab.folder.iterdir()) - set(before)) == [lab.output, lab.folder / "state"]


@pytest.mark.fault("F49")
def test_a_uid_with_a_leading_zero_is_stored(lab):
    """Not conformant, and there are archives full of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(lab.images, "odd", instance(SOPInstanceUID="1.2.3.1.007"))
    lab.start()
    result = lab.make()
    assert result.code == 0, result.report
    assert "1.2.3.1.007" in result.on_disc


@pytest.mark.fault("F36", "F49")
def test_a_listed_uid_that_is_too_long_is_missing_and_the_rest_is_said(lab, archive):
    long = "1.2.3.1." + "9" * 60

    def on_find(level, answers):
        if level != "IMAGE":
            return answers
        more = [(t, vr, long.encode() if t == 0x00080018 else v) for t, vr, v in answers[0]]
        return [*answers, more]

    archive.on_find = on_find
    result = lab.make()
    assert (result.code, result.discs) == (80, [])
    assert [each["sop_instance_uid"] for each in result.report["missing"]] == [f"'{long}'"]
    incomplete = lab.make(allow_incomplete=True)
    assert incomplete.code == 80
    assert [disc.name for disc in incomplete.discs] == ["A1.INCOMPLETE.iso"]
    incomplete.discs[0].unlink()
    incomplete.discs[0].with_suffix(".json").unlink()
    heals(lab)


def nested(levels, end=True):
    """A data set with sequences in sequences, in undefined lengths."""
    opened = struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
    opened += struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    closed = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return opened * levels + (closed * levels if end else b"")


@pytest.mark.fault("F51")
@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("levels", [300, 1000, 100_000])
def test_deep_sequences_cost_neither_stack_nor_time(lab, archive, levels, end):
    statuses = []

    def deep(move):
        first = encoded(move.read(0))
        at = first.index(struct.pack("<HH", 0x7FE0, 0x0010))
        data = first[:at] + nested(levels, end) + first[at:]
        with RawPeer(lab.port) as peer:
            peer.associate((1, CT, EXPLICIT), calling="ABPACS")
            uid = move.instances[0].sop_instance_uid
            originator = ("CDRECORD", move.message_id)
            statuses.append(peer.store(uid, data, originator=originator))
            peer.release()
        taken = move.send(move.instances[1:])
        failed = len(move.instances) - taken - (statuses[-1] == 0)
        move.finish(0xB000 if failed else 0, completed=taken, failed=failed)

    archive.on_move = deep
    result = lab.make(check=False)
    assert result.seconds < 20
    if statuses[0] == 0:
        assert result.code in (0, 83), result.report
    else:
        refused(result, 80, received=2)
    assert result.code != 83, result.report


@pytest.mark.fault("F46")
def test_more_than_a_job_may_have_is_said_before_anything_is_moved(lab):
    study(lab.images, 30)
    archive = lab.start()
    result = refused(lab.make(max_instances=20), 85, received=0)
    assert archive.moves == []
    assert "--max-instances" in result.message


@pytest.mark.fault("F38")
def test_a_promised_data_set_that_never_comes_ends_at_the_stall_time(lab, archive):
    def promise(move):
        with move.associated() as association:
            command = move.store_command(move.read(0))
            command = dimse.encode_command({**command, "CommandDataSetType": 1})
            association._wire.send(raw.p_data(raw.pdv(1, 3, command)), time.monotonic() + 5)
            move.hang()

    archive.on_move = promise
    result = refused(lab.make(), 75, received=0)
    assert result.seconds < 20
    lab.restart()
    heals(lab)


@pytest.mark.fault("F39")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [1500, pytest.param(50_000, marks=pytest.mark.nightly)])
def test_random_bytes_at_the_receiver_crash_nothing(tmp_path, rounds):
    """Good conversations, damaged at random: no crash, hang, growth, no file but instances."""
    seed = 20260131 if rounds == 1500 else random.randrange(1 << 32)
    dice = random.Random(seed)
    folder = tmp_path / "job"
    folder.mkdir()
    store = InstanceStore(folder)
    receiver = Receiver("CDRECORD", "127.0.0.1", 0)
    receiver.start(
        StorageJob(
            peer_allowed=lambda _ip: True,
            calling_ae_title_allowed=lambda _title: True,
            move_originator_allowed=lambda _title, _number: True,
            begin=store.begin,
            wanted=lambda _study, _series: True,
            stored=lambda kept: store.settle(kept) is not None,
        )
    )
    good = (
        raw.associate_rq([(1, CT, EXPLICIT)]),
        raw.p_data(raw.pdv(1, 3, raw.store_command(CT, "1.2.3.4.1"))),
        raw.p_data(raw.pdv(1, 2, raw.data_set())),
        raw.RELEASE_RQ_PDU,
    )
    sizes = []
    for number in range(rounds):
        stream = bytearray(b"".join(good))
        for _ in range(dice.randrange(1, 6)):
            spoil(stream, dice)
        converse(receiver.port, bytes(stream))
        if number in (rounds // 3, rounds - 1):
            wait_for(lambda: not receiver._listener.connections_open)
            sizes.append(resident_kib())
    with RawPeer(receiver.port) as peer:
        peer.associate()
        assert peer.store("1.2.3.4.9", raw.data_set("1.2.3.4.9")) == 0, seed
        peer.release()
    assert receiver.stop(30), (seed, "a thread outlived the receiver")
    assert receiver.reception.failure is None, seed
    assert sizes[-1] - sizes[0] < 30 * 1024, (seed, sizes)
    assert {each.suffix for each in folder.iterdir()} == {".dcm"}, seed
    assert list(tmp_path.iterdir()) == [folder]


def spoil(stream, dice):
    at = dice.randrange(len(stream))
    kind = dice.randrange(5)
    if kind == 0:
        stream[at] = dice.randrange(256)
    elif kind == 1:
        del stream[at : at + dice.randrange(1, 40)]
    elif kind == 2:
        stream[at:at] = dice.randbytes(dice.randrange(1, 40))
    elif kind == 3:
        stream[at : at + 4] = struct.pack(">L", dice.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 70000)))
    else:
        del stream[at:]
    if not stream:
        stream += b"\0"


def converse(port, stream):
    """Send, and read what comes until the other side closes or says nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        try:
            sock.sendall(stream)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(1 << 16):
                pass
        except ConnectionError:
            pass


def resident_kib():
    """What is in use: threads leave free memory behind, more on a busy machine."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # of glibc
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024
