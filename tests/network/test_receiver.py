"""The receiver against peers on real sockets: what is stored, what is answered, what is refused."""

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import stat
import subprocess
import threading
import time
import tracemalloc

import pydicom
import pytest
import raw_peer as raw
from raw_peer import CT, EXPLICIT, IMPLICIT, VERIFICATION, RawPeer, data_set

from mkiso.core.header import read_header
from mkiso.errors import DiskError, LimitError
from mkiso.network.receiver import Receiver, StorageJob
from mkiso.network.upper_layer import Deadlines
from mkiso.storage.instances import InstanceStore

SHORT = Deadlines(request_seconds=1.5, pdu_seconds=1.5, idle_seconds=1.5, release_seconds=1.5)
PRIVATE = "1.3.12.2.1107.5.9.1"


class Site:
    """A receiver with a store, and what the job was told."""

    def __init__(self, folder, deadlines=None, *, begin=None, header_reader=read_header, **more):
        self.folder = folder
        store_options = {k: more.pop(k) for k in ("max_instance_bytes",) if k in more}
        self.store = InstanceStore(folder, header_reader=header_reader, **store_options)
        self.instances = []
        self.log = []
        self.begun = 0
        self.real_begin = begin or self.store.begin
        self.originators = {(None, None), ("CDRECORD", 7)}
        self.addresses = {"127.0.0.1"}
        self.receiver = Receiver(
            "CDRECORD", "127.0.0.1", 0, deadlines=deadlines, log=self.log.append, **more
        )
        self.reception = self.receiver.reception

    def begin(self, *uids):
        self.begun += 1
        return self.real_begin(*uids)

    def stored(self, kept):
        instance = self.store.settle(kept)
        if instance is not None:
            self.instances.append(instance)
        return instance is not None

    def start(self):
        self.receiver.start(
            StorageJob(
                peer_allowed=lambda ip: ip in self.addresses,
                calling_ae_title_allowed=lambda title: title == "PACS",
                move_originator_allowed=lambda title, number: (title, number) in self.originators,
                begin=self.begin,
                wanted=lambda study, _series: study == "1.2.3",
                # a test may put another in its place
                stored=lambda kept: self.stored(kept),  # noqa: PLW0108 - looked up at the call
            )
        )

    def peer(self, *contexts, **more):
        peer = RawPeer(self.receiver.port)
        peer.associate(*contexts, **more)
        return peer

    def settle(self, seconds=30.0):
        assert self.reception.wait_until(lambda: self.reception.is_quiet, seconds)

    def files(self):
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def make_site(tmp_path):
    sites = []

    def make(deadlines=None, **more):
        folder = tmp_path / f"job{len(sites)}"
        folder.mkdir()
        site = Site(more.pop("folder", folder), deadlines, **more)
        sites.append(site)
        site.receiver.bind()
        site.start()
        return site

    yield make
    for site in sites:
        assert site.receiver.stop(30.0), "a thread outlived the receiver"


@pytest.fixture
def site(make_site):
    return make_site()


def no_thread_left(name="association"):
    for _ in range(2000):
        if not any(t.name.startswith(name) for t in threading.enumerate()):
            return True
        time.sleep(0.01)
    return False


# --- what is stored


@pytest.mark.parametrize("fragment", [100, 16000])
def test_the_data_set_is_kept_bit_for_bit_under_a_zero_preamble_and_our_file_meta(site, fragment):
    data = data_set(pixels=os.urandom(300_000))
    with site.peer(max_length=0) as peer:
        assert peer.store("1.2.3.4.1", data, fragment=fragment) == 0x0000
        peer.release()
    site.settle()
    (instance,) = site.instances
    content = instance.path.read_bytes()
    assert content[:128] == bytes(128)
    assert content[instance.data_set_offset :] == data
    assert instance.sha256 == hashlib.sha256(content).hexdigest()
    assert instance.size_bytes == len(content)
    assert stat.S_IMODE(instance.path.stat().st_mode) == 0o600
    assert site.files() == ["00000001.dcm"]
    read = pydicom.dcmread(instance.path)
    assert read.file_meta.TransferSyntaxUID == EXPLICIT
    assert read.file_meta.MediaStorageSOPInstanceUID == "1.2.3.4.1" == instance.sop_instance_uid
    assert (instance.study_instance_uid, instance.series_instance_uid) == ("1.2.3", "1.2.3.4")


def test_the_instance_is_in_its_file_before_the_answer_goes_out(site):
    with site.peer() as peer:
        for number in range(1, 6):
            assert peer.store(f"1.2.3.4.{number}", data_set(f"1.2.3.4.{number}")) == 0x0000
            assert site.files() == [f"{n:08d}.dcm" for n in range(1, number + 1)]


def test_implicit_vr_is_read_and_kept_as_it_came(site):
    data = data_set(write=raw.implicit_element)
    with site.peer((1, CT, IMPLICIT)) as peer:
        assert peer.store("1.2.3.4.1", data) == 0x0000
    site.settle()
    assert site.instances[0].transfer_syntax_uid == IMPLICIT
    assert site.instances[0].path.read_bytes().endswith(data)


def test_a_private_class_is_stored(site):
    data = data_set(sop_class=PRIVATE)
    with site.peer((1, PRIVATE, EXPLICIT)) as peer:
        assert peer.answers == {1: (0, EXPLICIT)}
        assert peer.store("1.2.3.4.1", data, sop_class=PRIVATE) == 0x0000
    site.settle()
    assert site.instances[0].sop_class_uid == PRIVATE


def test_the_transfer_syntax_of_each_context_is_chosen(site):
    with site.peer(
        (1, CT, IMPLICIT, EXPLICIT),
        (3, CT, raw.JPEG_LOSSLESS, IMPLICIT),
        (5, CT, "1.2.840.10008.1.2.1.99"),
        (7, "1.2.840.10008.5.1.4.1.2.2.1", IMPLICIT),
        (9, CT, raw.BIG_ENDIAN),
        (11, "1.02.3", IMPLICIT),
        (13, "1" * 65, IMPLICIT),
    ) as peer:
        assert peer.answers[1] == (0, EXPLICIT)
        assert peer.answers[3] == (0, raw.JPEG_LOSSLESS)
        assert peer.answers[5][0] == 4
        assert peer.answers[7][0] == 3
        assert peer.answers[9] == (0, raw.BIG_ENDIAN)
        assert peer.answers[11] == (0, IMPLICIT)
        assert peer.answers[13][0] == 3


def test_128_contexts_are_answered_and_the_last_one_works(site):
    contexts = [(2 * n + 1, f"1.2.840.10008.5.1.4.1.1.{n}", IMPLICIT) for n in range(127)]
    with site.peer(*contexts, (255, CT, EXPLICIT)) as peer:
        assert len(peer.answers) == 128
        assert {result for result, _ in peer.answers.values()} == {0}
        assert peer.store("1.2.3.4.1", data_set(), context_id=255) == 0x0000


def test_echo_is_answered_and_other_services_are_not(site):
    with site.peer((1, VERIFICATION, IMPLICIT), (3, CT, EXPLICIT)) as peer:
        assert peer.echo() == 0x0000
        find = {0x0002: b"1.2\0", 0x0100: raw.us(0x20), 0x0110: raw.us(2), 0x0800: raw.us(1)}
        peer.send(raw.p_data(raw.pdv(3, 3, raw.command_set(find)), raw.pdv(3, 2, b"1234")))
        assert peer.read_status() == 0x0211
        assert peer.store("1.2.3.4.1", data_set(), context_id=1) == 0x0122
        assert peer.store("1.2.3.4.1", data_set(), context_id=3) == 0x0000
        peer.release()


@pytest.mark.fault("F39")
def test_64_associations_at_once_each_get_theirs(site):
    def send(peer_number):
        with site.peer() as peer:
            together.wait(20)
            for n in range(3):
                uid = f"1.2.3.{peer_number}.{n}"
                data = data_set(uid, pixels=bytes([peer_number]) * 20_000)
                statuses.append(peer.store(uid, data, fragment=1000))
            peer.release()

    statuses, together = [], threading.Barrier(64)
    threads = [threading.Thread(target=send, args=(n,)) for n in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    site.settle()
    assert statuses == [0] * 192
    assert site.reception.instances_stored == 192
    assert site.reception.associations_seen == 64
    assert len({i.sop_instance_uid for i in site.instances}) == 192
    assert all(hashlib.sha256(i.path.read_bytes()).hexdigest() == i.sha256 for i in site.instances)


# --- duplicates


def test_the_same_instance_twice_is_kept_once(site):
    with site.peer() as peer:
        assert peer.store("1.2.3.4.1", data_set()) == 0x0000
        assert peer.store("1.2.3.4.1", data_set()) == 0x0000
    site.settle()
    assert (len(site.instances), site.store.duplicates, site.store.conflicts) == (1, 1, [])
    assert site.files() == ["00000001.dcm"]
    assert site.reception.instances_stored == 1
    assert site.reception.instances_accepted == 2


def test_one_uid_with_two_contents_is_a_conflict_and_the_first_stays(site):
    with site.peer() as peer:
        assert peer.store("1.2.3.4.1", data_set(pixels=b"\1\1")) == 0x0000
        assert peer.store("1.2.3.4.1", data_set(pixels=b"\2\2")) == 0x0000
    site.settle()
    assert site.store.conflicts == ["1.2.3.4.1"]
    assert site.instances[0].path.read_bytes().endswith(b"\1\1")
    assert site.files() == ["00000001.dcm"]


# --- what is refused


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (data_set()[:-1], 0xC000),
        (data_set()[:-1024], 0xC000),
        (data_set()[:500], 0xC000),
        (bytes(range(256)) * 20, 0xC000),
        (b"", 0xC000),
        (None, 0xC000),
        (data_set("1.2.3.4.99"), 0xA900),
        (data_set(sop_class="1.2.840.10008.5.1.4.1.1.4"), 0xA900),
        (data_set(study=""), 0xC000),
        (data_set(study="9.9"), 0xC409),
    ],
    ids=[
        "one byte short",
        "pixels missing",
        "ends in the header",
        "random",
        "empty",
        "none",
        "other instance",
        "other class",
        "no study",
        "other study",
    ],
)
def test_a_bad_instance_is_refused_and_removed_and_the_next_one_stored(site, sent, status):
    with site.peer() as peer:
        assert peer.store("1.2.3.4.1", sent) == status
        assert site.files() == []
        assert peer.store("1.2.3.4.1", data_set()) == 0x0000
        peer.release()
    site.settle()
    assert site.reception.refused == 1
    assert site.reception.refusals[0].status == status
    assert site.reception.failure is None
    assert [i.sop_instance_uid for i in site.instances] == ["1.2.3.4.1"]


def test_a_refusal_says_whose_it_was_and_nothing_about_the_patient(site):
    with site.peer() as peer:
        foreign = data_set("9.9.1", study="9.9", series="9.9.2", patient_id="SECRET-ID")
        assert peer.store("9.9.1", foreign, originator=("CDRECORD", 7)) == 0xC409
    (refusal,) = site.reception.refusals
    assert (refusal.study_instance_uid, refusal.series_instance_uid) == ("9.9", "9.9.2")
    assert (refusal.peer_address, refusal.calling_ae_title) == ("127.0.0.1", "PACS")
    assert (refusal.move_originator, refusal.move_originator_message_id) == ("CDRECORD", 7)
    told = "\n".join([repr(refusal), *site.log])
    assert "SECRET" not in told
    assert "Test^Patient" not in told


@pytest.mark.parametrize("uid", ["../../x", "/etc/passwd", "..", "1" * 65, "1.2.\0.3", "a.b", ""])
def test_what_is_no_uid_is_refused_and_names_no_file(site, uid):
    before = set(site.folder.parent.rglob("*"))
    with site.peer() as peer:
        assert peer.store(uid, data_set(uid)) == 0xC000
        assert peer.store("1.2.3.4.1", data_set()) == 0x0000
    site.settle()
    assert set(site.folder.parent.rglob("*")) - before == {site.folder / "00000001.dcm"}


def test_what_a_peer_writes_into_uids_and_titles_does_not_get_into_the_log(site):
    with site.peer() as peer:
        evil = "SECRET\nname"
        assert peer.store(evil, data_set(evil), originator=("EV\nIL", 1)) == 0xC409
        assert peer.store(evil, data_set(evil)) == 0xC000
    with RawPeer(site.receiver.port) as stranger:
        stranger.send(raw.associate_rq([(1, CT, EXPLICIT)], calling="A\x1b[2J\nB"))
        assert stranger.read_pdu()[0] == raw.ASSOCIATE_RJ
    told = [*site.log, *map(repr, site.reception.refusals)]
    told += map(repr, site.reception.foreign_attempts)
    assert not any("SECRET" in line or "\n" in line or "\x1b" in line for line in told)
    assert site.reception.refusals[0].sop_instance_uid == "(not a UID)"
    assert site.reception.refusals[0].move_originator == "EV?IL"
    assert site.reception.foreign_attempts[0].calling_ae_title == "A?[2J?B"


def test_an_instance_of_another_c_move_is_refused_without_being_written(site):
    with site.peer() as peer:
        for originator in (("OTHER", 7), ("CDRECORD", 8)):
            assert peer.store("1.2.3.4.1", data_set(), originator=originator) == 0xC409
        assert site.begun == 0
        assert peer.store("1.2.3.4.1", data_set(), originator=("CDRECORD", 7)) == 0x0000
    assert site.reception.bytes_received == len(data_set())


def test_nobody_can_connect_between_bind_and_start():
    with (
        Receiver("CDRECORD", "127.0.0.1", 0) as receiver,
        pytest.raises(ConnectionRefusedError),
    ):
        RawPeer(receiver.port)


def test_nobody_can_connect_after_stop_and_the_port_is_free_at_once(make_site):
    site = make_site()
    port = site.receiver.port
    with site.peer() as peer:
        peer.release()
    site.receiver.stop()
    with pytest.raises(ConnectionRefusedError):
        RawPeer(port)
    again = Receiver("CDRECORD", "127.0.0.1", port)
    again.bind()
    again.stop()


def test_foreign_senders_are_turned_away_and_do_not_touch_the_job(site):
    with site.peer() as peer:
        with RawPeer(site.receiver.port) as stranger:
            stranger.send(raw.associate_rq([(1, CT, EXPLICIT)], calling="STRANGER"))
            assert stranger.read_pdu() == (raw.ASSOCIATE_RJ, bytes((0, 1, 1, 3)))
        with RawPeer(site.receiver.port) as stranger:
            stranger.send(raw.associate_rq([(1, CT, EXPLICIT)], called="NOBODY"))
            assert stranger.read_pdu() == (raw.ASSOCIATE_RJ, bytes((0, 1, 1, 7)))
        site.addresses.clear()
        with RawPeer(site.receiver.port) as stranger:
            assert stranger.sock.recv(1) == b""
        assert peer.store("1.2.3.4.1", data_set()) == 0x0000
    site.settle()
    assert site.reception.foreign == 3
    assert [(a.calling_ae_title, a.called_ae_title) for a in site.reception.foreign_attempts] == [
        ("STRANGER", "CDRECORD"),
        ("PACS", "NOBODY"),
        ("", ""),
    ]
    assert site.reception.associations_seen == 1
    assert len(site.instances) == 1


# --- the disk


class FailingSink:
    """A real writer that fails at one step, as a full or broken disk does."""

    def __init__(self, writer, step, error):
        self.writer, self.step, self.error = writer, step, error

    def __getattr__(self, name):
        if name == self.step:
            raise self.error
        return getattr(self.writer, name)


@pytest.mark.parametrize("step", ["begin", "write", "finish", "keep"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE])
def test_a_disk_error_is_answered_with_a700_and_fails_the_job(make_site, step, number):
    def begin(*uids):
        error = OSError(number, os.strerror(number))
        if step == "begin":
            raise error
        return FailingSink(site.store.begin(*uids), step, error)

    site = make_site(begin=begin)
    with site.peer() as peer:
        assert peer.store("1.2.3.4.1", data_set(pixels=bytes(100_000)), fragment=5000) == 0xA700
        assert isinstance(site.reception.failure, DiskError)
        assert os.strerror(number) in str(site.reception.failure)
        site.real_begin = site.store.begin
        assert peer.store("1.2.3.4.2", data_set("1.2.3.4.2")) == 0xA700  # at once, nothing written
        assert site.files() == []
        peer.release()


def test_a_full_disk_is_answered_with_a700_and_leaves_no_part(make_site, tmp_path):
    mount = tmp_path / "tiny"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)]
    if (
        shutil.which("mount") is None
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        pytest.skip("a tmpfs of 1 MiB cannot be mounted here")
    try:
        site = make_site(folder=mount)
        with site.peer() as peer:
            assert peer.store("1.2.3.4.1", data_set(pixels=bytes(300_000))) == 0x0000
            big = data_set("1.2.3.4.2", pixels=bytes(3_000_000))
            assert peer.store("1.2.3.4.2", big) == 0xA700
            peer.release()
        site.settle()
        assert site.files() == ["00000001.dcm"]
        assert isinstance(site.reception.failure, DiskError)
    finally:
        site.receiver.stop()
        subprocess.run(["umount", str(mount)], check=True)


def test_too_large_an_object_fails_the_job_and_is_drained(make_site):
    site = make_site(max_instance_bytes=1_000_000)
    with site.peer() as peer:
        assert peer.store("1.2.3.4.1", data_set(pixels=bytes(3_000_000))) == 0xA700
        peer.release()
    assert isinstance(site.reception.failure, LimitError)
    assert site.files() == []


@pytest.mark.parametrize("step", ["begin", "write", "finish", "keep"])
def test_a_bug_is_answered_and_remembered_and_ends_no_thread(make_site, step):
    def begin(*uids):
        if site.begun > 1:
            return site.store.begin(*uids)
        if step == "begin":
            raise ZeroDivisionError
        return FailingSink(site.store.begin(*uids), step, ZeroDivisionError())

    site = make_site(begin=begin)
    with site.peer() as peer:
        assert peer.store("1.2.3.4.1", data_set()) == 0x0110
        assert peer.store("1.2.3.4.2", data_set("1.2.3.4.2")) == 0x0000
        peer.release()
    site.settle()
    assert isinstance(site.reception.failure, ZeroDivisionError)
    assert [i.sop_instance_uid for i in site.instances] == ["1.2.3.4.2"]


def test_a_bug_in_the_books_is_remembered_and_the_rest_still_handed_over(site):
    def stored(kept):
        if not seen:
            seen.append(1)
            raise ZeroDivisionError
        return real_stored(kept)

    seen, real_stored = [], site.stored
    site.stored = stored
    with site.peer() as peer:
        assert peer.store("1.2.3.4.1", data_set()) == 0x0000
        assert peer.store("1.2.3.4.2", data_set("1.2.3.4.2")) == 0x0000
    site.settle()
    assert isinstance(site.reception.failure, ZeroDivisionError)
    assert [i.sop_instance_uid for i in site.instances] == ["1.2.3.4.2"]


# --- ends


def end_after_association(peer, how):
    how(peer)


def end_after_command(peer, how):
    peer.send(raw.p_data(raw.pdv(1, 3, raw.store_command(CT, "1.2.3.4.1"))))
    how(peer)


def end_inside_the_command(peer, how):
    peer.send(raw.p_data(raw.pdv(1, 3, raw.store_command(CT, "1.2.3.4.1")))[:40])
    how(peer)


def end_inside_the_data_set(peer, how):
    end_after_command(peer, lambda _peer: None)
    peer.send(raw.p_data(raw.pdv(1, 0, data_set()[:600])))
    how(peer)


def end_inside_a_pdu(peer, how):
    end_after_command(peer, lambda _peer: None)
    peer.send(raw.p_data(raw.pdv(1, 0, data_set()))[:600])
    how(peer)


def end_before_the_answer(peer, how):
    peer.send_store("1.2.3.4.1", data_set())
    how(peer)


def end_after_the_answer(peer, how):
    assert peer.store("1.2.3.4.1", data_set()) == 0x0000
    how(peer)


ENDS = {
    "abort": lambda peer: peer.send(raw.ABORT_PDU),
    "close": lambda peer: peer.close(),
    "reset": lambda peer: (
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"),
        peer.close(),
    ),
    "release": lambda peer: peer.send(raw.RELEASE_RQ_PDU),
}
POINTS = [
    end_after_association,
    end_after_command,
    end_inside_the_command,
    end_inside_the_data_set,
    end_inside_a_pdu,
    end_before_the_answer,
    end_after_the_answer,
]


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("point", POINTS)
def test_an_association_may_end_at_any_point(make_site, point, how):
    site = make_site(SHORT)
    peer = site.peer()
    point(peer, ENDS[how])
    site.settle()
    peer.close()
    assert no_thread_left()
    assert [name for name in site.files() if not name.endswith(".dcm")] == []
    assert site.reception.failure is None
    with site.peer() as again:
        assert again.store("1.2.3.4.2", data_set("1.2.3.4.2")) == 0x0000
        again.release()
    site.settle()
    assert "1.2.3.4.2" in {i.sop_instance_uid for i in site.instances}


def test_stop_ends_a_transfer_under_way_and_removes_what_was_begun(make_site):
    site = make_site()
    with site.peer() as peer:
        peer.send(raw.p_data(raw.pdv(1, 3, raw.store_command(CT, "1.2.3.4.1"))))
        peer.send(raw.p_data(raw.pdv(1, 0, data_set()[:600])))
        for _ in range(2000):
            if site.files():
                break
            time.sleep(0.01)
        assert site.files() == ["00000001.part"]
        began = time.monotonic()
        assert site.receiver.stop()
        assert time.monotonic() - began < 9
        assert peer.read_last_pdu() in {raw.ABORT, None}
    assert site.files() == []
    assert no_thread_left()


# --- hostile and slow peers


@pytest.mark.fault("F39")
def test_silent_sockets_do_not_keep_the_archive_out_and_are_dropped(make_site):
    site = make_site(SHORT, maximum_associations=4)
    silent = [RawPeer(site.receiver.port) for _ in range(48)]
    for peer in silent[::2]:
        peer.send(b"\1\0\0")
    with site.peer() as peer:
        assert peer.store("1.2.3.4.1", data_set()) == 0x0000
        peer.release()
    began = time.monotonic()
    for peer in silent:
        with contextlib.suppress(ConnectionError):
            assert peer.sock.recv(1) == b""
        peer.close()
    assert time.monotonic() - began < 9
    site.settle()
    assert len(site.instances) == 1
    assert no_thread_left()


def test_more_associations_than_allowed_are_rejected_for_now(make_site):
    site = make_site(maximum_associations=3)
    peers = [site.peer() for _ in range(3)]
    with RawPeer(site.receiver.port) as late:
        late.send(raw.associate_rq([(1, CT, EXPLICIT)]))
        assert late.read_pdu() == (raw.ASSOCIATE_RJ, bytes((0, 2, 3, 2)))
    peers.pop().release()
    site.reception.wait_until(lambda: site.reception.associations_open == 2, 30)
    for _ in range(1000):
        with contextlib.suppress(AssertionError):
            peers.append(site.peer())
            break
        time.sleep(0.01)
    assert peers[-1].store("1.2.3.4.1", data_set()) == 0x0000
    for peer in peers:
        peer.close()


@pytest.mark.parametrize(
    "first",
    [
        b"\1\0\xff\xff\xff\xff" + bytes(1000),  # 4 GiB announced
        b"\1\0\0\x20\0\0" + bytes(1000),  # 2 MiB
        raw.pdu(raw.ASSOCIATE_RQ, bytes(10)),  # cut short
        raw.pdu(raw.ASSOCIATE_RQ, bytes(68) + b"\x10\0\xff\xff"),  # an item over the end
        raw.pdu(raw.ASSOCIATE_RQ, bytes(68) + b"\x10"),
        raw.associate_rq([(2, CT, EXPLICIT)]),  # an even context ID
        raw.associate_rq([(1, CT, EXPLICIT), (1, CT, EXPLICIT)]),
        raw.p_data(raw.pdv(1, 3, raw.ECHO_COMMAND)),  # data before the association
        raw.RELEASE_RQ_PDU,
        raw.pdu(0x09, bytes(4)),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_nonsense_for_a_request_ends_the_connection_with_an_abort(make_site, first):
    site = make_site(SHORT)
    with RawPeer(site.receiver.port) as peer:
        peer.send(first)
        assert peer.read_last_pdu() == raw.ABORT
    assert no_thread_left()
    assert site.reception.associations_seen == 0
    assert site.reception.failure is None


def test_an_a_abort_instead_of_a_request_is_taken_quietly(site):
    with RawPeer(site.receiver.port) as peer:
        peer.send(raw.ABORT_PDU)
        assert peer.read_last_pdu() is None


@pytest.mark.parametrize(
    ("request_more", "answer"),
    [
        ({"version": 2}, (1, 2, 2)),
        ({"application": "1.2.3"}, (1, 1, 2)),
        ({"called": ""}, (1, 1, 7)),
        ({"calling": "P\xc4CS"}, (1, 1, 3)),
    ],
)
def test_requests_that_do_not_fit_are_rejected(site, request_more, answer):
    with RawPeer(site.receiver.port) as peer:
        peer.send(raw.associate_rq([(1, CT, EXPLICIT)], **request_more))
        assert peer.read_pdu() == (raw.ASSOCIATE_RJ, bytes((0, *answer)))


def test_unknown_items_in_the_request_are_skipped(site):
    unknown = raw.item(0x77, b"what") + raw.item(0x11, b"")
    with site.peer(more_items=unknown, more_user_items=unknown) as peer:
        assert peer.store("1.2.3.4.1", data_set()) == 0x0000


COMMAND = raw.store_command(CT, "1.2.3.4.1")


@pytest.mark.parametrize(
    "sent",
    [
        b"\4\0\xff\xff\xff\xff" + bytes(100),  # a P-DATA-TF of 4 GiB
        b"\4\0\0\x10\0\0" + bytes(100),  # of 1 MiB, more than we offered
        raw.pdu(4, b""),
        raw.pdu(4, b"\0\0\0\1\1"),
        raw.pdu(4, b"\0\0\0\0\1\3"),  # a PDV of 0 bytes
        raw.pdu(4, b"\0\0\0\1\1\3"),  # of 1 byte
        raw.pdu(4, b"\0\0\0\xff\1\3" + COMMAND[:20]),  # over the end of its PDU
        raw.pdu(4, b"\xff\xff\xff\xff\1\3" + COMMAND[:20]),
        raw.pdu(4, raw.pdv(1, 3, COMMAND) + b"\0\0\0"),  # a rest that is no PDV
        raw.p_data(raw.pdv(3, 3, COMMAND)),  # a context that was not accepted
        raw.p_data(raw.pdv(5, 3, COMMAND)),  # one that was not proposed
        raw.p_data(raw.pdv(1, 2, b"data")),  # a data set without a command
        raw.p_data(raw.pdv(1, 1, COMMAND[:10])) + raw.p_data(raw.pdv(1, 2, b"data")),
        raw.p_data(raw.pdv(1, 3, COMMAND)) + raw.p_data(raw.pdv(1, 3, COMMAND)),
        raw.p_data(raw.pdv(1, 3, COMMAND)) + raw.p_data(raw.pdv(7, 2, b"data")),  # context change
        raw.p_data(raw.pdv(1, 3, COMMAND), raw.pdv(1, 0, b"1234")) + raw.RELEASE_RQ_PDU,
        raw.p_data(raw.pdv(1, 1, COMMAND[:10])) + raw.RELEASE_RQ_PDU,
        raw.p_data(raw.pdv(1, 3, b"no command at all")),
        raw.p_data(raw.pdv(1, 3, raw.command_set({0x0100: raw.us(1)}))),  # no data set type
        raw.p_data(raw.pdv(1, 3, raw.command_set({0x0100: raw.us(0x8001), 0x0800: raw.us(0x101)}))),
        raw.p_data(raw.pdv(1, 1, bytes(16000))) * 5,  # a command set of 80 KB
        raw.associate_rq([(1, CT, EXPLICIT)]),  # a second request
        raw.RELEASE_RP_PDU,
        raw.pdu(raw.RELEASE_RQ, bytes(5)),
        raw.pdu(0x08, bytes(4)),
        raw.pdu(0xFF, bytes(4)),
    ],
)
def test_nonsense_on_an_association_ends_it_with_an_abort(make_site, sent):
    site = make_site(SHORT)
    with site.peer(
        (1, CT, EXPLICIT), (3, "1.2.840.10008.5.1.4.31", EXPLICIT), (7, CT, IMPLICIT)
    ) as peer:
        peer.send(sent)
        assert peer.read_last_pdu() == raw.ABORT
    site.settle()
    assert no_thread_left()
    assert site.files() == []
    assert site.reception.failure is None


def test_bytes_that_drip_inside_a_request_do_not_hold_the_receiver(make_site):
    site = make_site(SHORT)
    with RawPeer(site.receiver.port) as peer:
        assert drip(peer, raw.associate_rq([(1, CT, EXPLICIT)])) < 3


@pytest.mark.parametrize("before", [b"", raw.p_data(raw.pdv(1, 3, COMMAND))])
def test_bytes_that_drip_inside_a_pdu_do_not_hold_the_receiver(make_site, before):
    site = make_site(SHORT)
    with site.peer() as peer:
        peer.send(before)
        assert drip(peer, raw.p_data(raw.pdv(1, 3 if not before else 0, bytes(4000)))) < 3
    site.settle()
    assert site.files() == []


def drip(peer, content):
    """Send a byte each twentieth of a second; return the seconds until the other side gave up."""
    began = time.monotonic()
    peer.sock.settimeout(0.05)
    for offset in range(len(content)):
        try:
            peer.send(content[offset : offset + 1])
            if peer.sock.recv(100) in {raw.ABORT_PDU, b""}:
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return time.monotonic() - began


@pytest.mark.parametrize(
    "sent",
    [
        COMMAND[:3],
        raw.p_data(raw.pdv(1, 3, COMMAND))[:3],
        raw.p_data(raw.pdv(1, 3, COMMAND)),
        raw.p_data(raw.pdv(1, 3, COMMAND), raw.pdv(1, 0, data_set()[:100])),
        raw.p_data(raw.pdv(1, 1, COMMAND[:20])),
    ],
)
def test_a_peer_that_stops_inside_a_message_is_given_up(make_site, sent):
    site = make_site(SHORT)
    with site.peer() as peer:
        peer.send(sent)
        began = time.monotonic()
        assert peer.read_last_pdu() in {raw.ABORT, None}
        assert time.monotonic() - began < 9
    site.settle()
    assert site.files() == []
    assert no_thread_left()


def test_empty_fragments_without_end_do_not_hold_a_command_for_ever(make_site):
    site = make_site(SHORT)
    with site.peer() as peer:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 20:
                peer.send(raw.p_data(raw.pdv(1, 1, b"")) * 1000)
        assert time.monotonic() - began < 9


def test_a_drip_of_small_fragments_is_no_progress_and_a_mebibyte_is(site):
    before = site.reception.last_progress
    with site.peer() as peer:
        peer.send(raw.p_data(raw.pdv(1, 3, raw.store_command(CT, "1.2.3.4.1"))))
        for _ in range(20):
            peer.send(raw.p_data(raw.pdv(1, 0, b"12")))
            time.sleep(0.005)
        assert site.reception.last_progress == before
        for _ in range(80):
            peer.send(raw.p_data(raw.pdv(1, 0, bytes(16000))))
        assert site.reception.wait_until(lambda: True, 0)
        for _ in range(100):
            if site.reception.last_progress > before:
                break
            time.sleep(0.02)
        assert site.reception.last_progress > before


@pytest.mark.fault("F43")
def test_memory_does_not_grow_with_the_object(make_site):
    size = 300_000_000
    site = make_site()
    head = data_set(pixels=b"")[:-4] + size.to_bytes(4, "little")
    fragment = raw.p_data(raw.pdv(1, 0, bytes(100_000)))
    with site.peer() as peer:
        peer.send(raw.p_data(raw.pdv(1, 3, raw.store_command(CT, "1.2.3.4.1"))))
        peer.send(raw.p_data(raw.pdv(1, 0, head)))
        tracemalloc.start()
        try:
            for _ in range(size // 100_000):
                peer.sock.sendall(fragment)
            peer.send(raw.p_data(raw.pdv(1, 2, b"")))
            assert peer.read_status() == 0x0000
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    site.settle(20)
    assert peak < 4_000_000
    (instance,) = site.instances
    assert instance.size_bytes == instance.data_set_offset + len(head) + size
    with instance.path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    assert digest.hexdigest() == instance.sha256


# --- peers of other makes


@pytest.mark.peers
@pytest.mark.parametrize("options", [["-xi"], ["-xe"], ["-xb"], ["--propose-lossless"], ["+C"]])
def test_storescu_of_dcmtk_is_served(site, need_program, tmp_path, options):
    need_program("storescu", "dcmodify", "dcmdump")
    source = tmp_path / "source"
    source.mkdir()
    with site.peer() as peer:  # a proper file to send: one that we stored
        for n in range(5):
            uid = f"1.2.3.4.{n + 1}"
            assert peer.store(uid, data_set(uid, pixels=bytes(1024))) == 0x0000
    site.settle()
    for instance in site.instances:
        shutil.copy(instance.path, source / instance.path.name)
    before = len(site.instances)
    result = subprocess.run(
        [
            "storescu",
            "-v",
            "-aet",
            "PACS",
            "-aec",
            "CDRECORD",
            *options,
            "+sd",
            "127.0.0.1",
            str(site.receiver.port),
            str(source),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    site.settle()
    # the same instances again: equal bytes where the syntax is the one they came in
    assert site.store.duplicates + len(site.store.conflicts) == 5
    assert len(site.instances) == before
    assert site.reception.refused == 0


@pytest.mark.peers
def test_echoscu_of_dcmtk_is_answered(site, need_program):
    need_program("echoscu")
    result = subprocess.run(
        [
            "echoscu",
            "-aet",
            "PACS",
            "-aec",
            "CDRECORD",
            "-pts",
            "20",
            "--propose-pc",
            "1",
            "127.0.0.1",
            str(site.receiver.port),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
