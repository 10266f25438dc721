"""Whole jobs with `--forward`: the disc is good whatever the node does, and a resume is short."""

import contextlib
import io
import os
import shutil
import socket
import subprocess
import time

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from scripted_peer import ScriptedPeer, respond
from whole_jobs import MR, free_port, instance, save

from mkiso.core.job import Node
from mkiso.errors import TerminatedJobError

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
RLE = "1.2.840.10008.1.2.5"


class StoreNode(ScriptedPeer):
    """A storage SCP that answers each instance as `answer(uid)` says and keeps what it took."""

    def __init__(self, answer=lambda uid: 0x0000, **more):
        super().__init__(
            self._script, ae_title="BACKUP", syntaxes=more.pop("syntaxes", None), **more
        )
        self.answer, self.taken, self.asked = answer, {}, []

    def _script(self, _peer, association):
        for message in self.requests(association):
            uid = message.command["AffectedSOPInstanceUID"]
            self.asked.append(uid)
            status = self.answer(uid)
            if status is None:
                self.hang()
                return
            if status in (0x0000, 0xB000):
                self.taken[uid] = (message.context.transfer_syntax, message.data)
            respond(association, message, status)

    def node(self, **more):
        values = {"retries": 0, "stall_timeout_seconds": 5.0, **more}
        return Node("backup", "BACKUP", "127.0.0.1", self._listener.port, **values)


def down():
    return Node("backup", "BACKUP", "127.0.0.1", free_port(), retries=0)


def forwarded(result):
    (only,) = result.report["forwarded"]
    return only["sent"], only["warnings"], len(only["failed"])


def earlier(result):
    (report,) = result.report["forwarded"]
    return report["earlier"]


def data_set_of(path):
    """The bytes behind the file meta."""
    meta = pydicom.filereader.read_file_meta_info(path)
    return path.read_bytes()[144 + meta.FileMetaInformationGroupLength :]


@pytest.mark.fault("F74")
def test_every_instance_arrives_byte_for_byte(lab, archive):
    with StoreNode() as backup:
        result = lab.make(forward=(backup.node(),))
    assert result.code == 0, result.report
    assert forwarded(result) == (4, 0, 0)
    sent = {uid: data for uid, (_, data) in backup.taken.items()}
    originals = [path for path in lab.images.rglob("*") if path.parent.name == "1.2.3.1"]
    assert sent == {
        str(pydicom.dcmread(path).SOPInstanceUID): data_set_of(path) for path in originals
    }


@pytest.mark.parametrize("delivery", ["zip", "folder", "encrypted"])
def test_every_delivery_is_forwarded_and_resumed(lab, archive, tmp_path, delivery):
    settings = {"deliver_as": delivery}
    if delivery == "encrypted":
        pytest.importorskip("pyzipper")
        (tmp_path / "phrase").write_text("correct horse battery staple\n")
        settings = {"encrypt": str(tmp_path / "phrase")}
    with StoreNode(lambda uid: 0xA700 if uid.endswith(".3") else 0) as backup:
        first = lab.make(forward=(backup.node(),), check=False, **settings)
        assert first.code == 84, first.report
        assert "The disc is good" in first.message
        backup.answer = lambda _: 0
        again = lab.make(forward=(backup.node(),), check=False, **settings)
    assert again.code == 0, again.report
    assert (forwarded(again), earlier(again)) == ((4, 0, 0), 3)
    assert {uid: data for uid, (_, data) in backup.taken.items()} == {
        f"1.2.3.1.{path.name}": data_set_of(path) for path in (lab.images / "1.2.3.1").iterdir()
    }
    assert not list(lab.output.glob(".mkiso-*"))


def test_a_node_that_is_down_costs_84_and_no_disc(lab, archive):
    result = lab.make(forward=(down(),))
    assert result.code == 84
    assert len(result.on_disc) == 4
    assert forwarded(result) == (0, 0, 4)
    assert "The disc is good" in result.message


@pytest.mark.fault("F71")
def test_a_resume_sends_only_the_rest(lab, archive):
    with StoreNode(lambda uid: 0xC000 if uid.endswith((".3", ".4")) else 0) as backup:
        first = lab.make(forward=(backup.node(),))
        assert (first.code, *forwarded(first), earlier(first)) == (84, 2, 0, 2, 0)
        assert {each["status"] for each in first.report["forwarded"][0]["failed"]} == {"C000"}
        backup.answer = lambda uid: 0
        backup.asked.clear()
        again = lab.make(forward=(backup.node(),))
        assert (again.code, *forwarded(again), earlier(again)) == (0, 4, 0, 0, 2)
        assert sorted(backup.asked) == ["1.2.3.1.3", "1.2.3.1.4"]
        backup.asked.clear()
        third = lab.make(forward=(backup.node(),))
        assert (third.code, *forwarded(third), backup.asked) == (0, 4, 0, 0, [])
        assert earlier(third) == 4


def test_replace_makes_another_disc_and_sends_everything_again(lab, archive):
    with StoreNode() as backup:
        lab.make(forward=(backup.node(),))
        again = lab.make(forward=(backup.node(),), replace=True)
        assert (again.code, earlier(again), len(backup.asked)) == (0, 0, 8)


def test_a_ledger_that_is_lost_or_broken_costs_time_alone(lab, archive):
    ledger = lab.folder / "state" / "ledger.sqlite3"
    with StoreNode() as backup:
        lab.make(forward=(backup.node(),))
        for suffix in ("", "-wal", "-shm"):
            ledger.with_name(ledger.name + suffix).unlink(missing_ok=True)
        lost = lab.make(forward=(backup.node(),))
        assert (lost.code, *forwarded(lost), len(backup.asked)) == (0, 4, 0, 0, 8)
        for suffix in ("-wal", "-shm"):
            ledger.with_name(ledger.name + suffix).unlink(missing_ok=True)
        ledger.write_bytes(b"this is no database" * 100)
        broken = lab.make(forward=(backup.node(),))
        assert (broken.code, *forwarded(broken), len(backup.asked)) == (0, 4, 0, 0, 12)
        assert "is broken" in broken.warnings


@pytest.mark.fault("F71")
def test_duplicates_and_coercions_count_as_sent_with_a_warning(lab, archive):
    answers = {"1.2.3.1.1": 0x0111, "1.2.3.1.2": 0xB000, "1.2.3.1.3": 0xB007}
    with StoreNode(lambda uid: answers.get(uid, 0)) as backup:
        result = lab.make(forward=(backup.node(),))
        assert (result.code, *forwarded(result)) == (0, 4, 3, 0)
        backup.asked.clear()
        again = lab.make(forward=(backup.node(),))
        assert (again.code, *forwarded(again), backup.asked) == (0, 4, 3, 0, [])


@pytest.mark.fault("F70")
def test_a_node_that_refuses_one_class_gets_the_others(lab):
    save(lab.images, "mr", instance(series=2, SOPClassUID=MR, Modality="MR"))
    lab.start()
    with StoreNode(refuse=frozenset({MR})) as backup:
        result = lab.make(forward=(backup.node(),))
    assert (result.code, *forwarded(result)) == (84, 4, 0, 1)
    (failed,) = result.report["forwarded"][0]["failed"]
    assert failed["sop_instance_uid"] == "1.2.3.2.1"
    assert MR in failed["status"]


@pytest.fixture
def compressed(lab):
    """RLE and JPEG 2000 as part of the study, besides plain and big endian."""
    shutil.rmtree(lab.images)
    names = ("MR_small_RLE.dcm", "JPEG2000.dcm", "MR_small_bigendian.dcm", "CT_small.dcm")
    for number, name in enumerate(names, 1):
        ds = pydicom.dcmread(get_testdata_file(name, download=False))
        fresh = instance(series=number)
        for keyword in (
            "PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "StudyInstanceUID",
            "SeriesInstanceUID", "SOPInstanceUID", "StudyID", "SeriesNumber", "InstanceNumber",
        ):  # fmt: skip
            setattr(ds, keyword, getattr(fresh, keyword))
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        save(lab.images, name, ds)
    lab.start()
    return lab


def pixels(folder):
    found = {}
    for path in folder.iterdir():
        if path.is_file() and not path.name.startswith("."):
            ds = pydicom.dcmread(path)
            found[str(ds.SOPInstanceUID)] = ds.pixel_array
    return found


@pytest.mark.fault("F28")
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("plain", [EXPLICIT, IMPLICIT])
def test_a_node_of_plain_syntaxes_gets_the_same_pixels(compressed, plain):
    with StoreNode(syntaxes=(plain,)) as backup:
        result = compressed.make(forward=(backup.node(),))
    assert (result.code, *forwarded(result)) == (0, 4, 0, 0), result.report
    assert {syntax for syntax, _ in backup.taken.values()} == {plain}
    for uid, original in pixels(compressed.images).items():
        meta = pydicom.dataset.FileMetaDataset()
        meta.TransferSyntaxUID = plain
        raw = pydicom.filereader.read_dataset(
            io.BytesIO(backup.taken[uid][1]), plain == IMPLICIT, True
        )
        got = pydicom.dataset.FileDataset("x", raw, b"", meta, plain == IMPLICIT, True)
        assert np.array_equal(got.pixel_array, original)
        assert got.SOPInstanceUID == uid


@pytest.mark.fault("F74")
def test_what_cannot_be_decoded_is_named_and_the_rest_is_sent(lab):
    ds = instance(series=2)
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.50"
    ds.PixelData = pydicom.encaps.encapsulate([b"no JPEG at all, whatever the syntax says"])
    ds["PixelData"].VR = "OB"
    save(lab.images, "bad", ds)
    lab.start()
    with StoreNode(syntaxes=(EXPLICIT, IMPLICIT)) as backup:
        result = lab.make(forward=(backup.node(),))
    assert (result.code, *forwarded(result)) == (84, 4, 0, 1), result.report
    assert "1.2.840.10008.1.2.4.50" in result.report["forwarded"][0]["failed"][0]["status"]


@pytest.mark.fault("F72")
def test_a_node_that_hangs_after_the_last_byte_ends_in_time(lab, archive):
    with StoreNode(lambda uid: None) as backup:
        began = time.monotonic()
        result = lab.make(forward=(backup.node(stall_timeout_seconds=0.5),))
        assert (result.code, *forwarded(result)) == (84, 0, 0, 4)
        assert time.monotonic() - began < 20


def test_one_node_down_does_not_keep_the_other_from_its_images(lab, archive):
    with StoreNode() as backup:
        result = lab.make(forward=(down(), backup.node()))
    assert result.code == 84
    assert [node["sent"] for node in result.report["forwarded"]] == [0, 4]
    assert "backup did not take" in result.message


def test_an_incomplete_disc_is_forwarded_and_stays_80(lab, archive):
    archive.on_move = lambda move: move.normally(drop={"1.2.3.1.2"})
    with StoreNode() as backup:
        result = lab.make(forward=(backup.node(),), allow_incomplete=True)
    assert (result.code, *forwarded(result)) == (80, 3, 0, 0)


def test_a_signal_while_forwarding_leaves_the_disc_and_says_so(lab, archive):
    with StoreNode() as backup:

        def stop_after_two():
            if len(backup.taken) >= 2:
                raise TerminatedJobError("Terminated; nothing was published.")

        result = lab.make(
            forward=(backup.node(),), surroundings={"require_running": stop_after_two}
        )
        assert result.code == 143
        assert len(result.on_disc) == 4
        assert "nothing was published" not in result.message
        assert "finished already" in result.message
        assert forwarded(result) == (2, 0, 2)
        backup.asked.clear()
        again = lab.make(forward=(backup.node(),))
        assert (again.code, *forwarded(again)) == (0, 4, 0, 0)
        assert len(backup.asked) == 2


def test_a_deadline_while_forwarding_is_84(lab, archive):
    clock = {"ahead": 0.0}
    with StoreNode(lambda uid: clock.update(ahead=1e6) or 0) as backup:
        result = lab.make(
            forward=(backup.node(),),
            surroundings={"monotonic": lambda: time.monotonic() + clock["ahead"]},
        )
    assert (result.code, *forwarded(result)) == (84, 1, 0, 3)
    assert "deadline" in result.report["forwarded"][0]["failed"][0]["status"]


@pytest.mark.parametrize("what", ["gone", "other"])
def test_an_image_that_is_not_what_it_was_is_not_sent(lab, archive, what):
    def meddle(sentence):
        if sentence.startswith("Made: "):
            (image,) = lab.output.glob("*.iso")
            image.unlink() if what == "gone" else image.write_bytes(b"\0" * (1 << 20))

    with StoreNode() as backup:
        result = lab.make(forward=(backup.node(),), on_say=meddle, check=False)
    assert result.code == (74 if what == "gone" else 83), result.report
    assert backup.asked == []


# --- dcmtk's storescp, with its faults


@contextlib.contextmanager
def storescp(folder, *options):
    port = free_port()
    command = ["storescp", "-aet", "BACKUP", "-od", str(folder), *options, str(port)]
    process = subprocess.Popen(
        command, env={**os.environ, "TCP_NODELAY": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield Node("backup", "BACKUP", "127.0.0.1", port, retries=0, stall_timeout_seconds=2.0)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def backup_folder(tmp_path, need_program):
    need_program("storescp")
    folder = tmp_path / "backup"
    folder.mkdir()
    return folder


@pytest.mark.peers
def test_storescp_gets_every_byte(lab, archive, backup_folder):
    with storescp(backup_folder, "+B", "+xa") as node:
        result = lab.make(forward=(node,))
    assert (result.code, *forwarded(result)) == (0, 4, 0, 0)
    originals = [p for p in lab.images.rglob("*") if p.parent.name == "1.2.3.1"]
    assert sorted(map(data_set_of, backup_folder.iterdir())) == sorted(map(data_set_of, originals))


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_storescp_without_compression_gets_the_same_pixels(compressed, backup_folder):
    with storescp(backup_folder, "+xi") as node:
        result = compressed.make(forward=(node,))
    assert (result.code, *forwarded(result)) == (0, 4, 0, 0), result.report
    got = pixels(backup_folder)
    for uid, original in pixels(compressed.images).items():
        assert np.array_equal(got[uid], original)


@pytest.mark.fault("F71")
@pytest.mark.peers
@pytest.mark.parametrize("fault", ["--refuse", "--abort-after", "--abort-during"])
def test_a_node_that_breaks_is_84_and_the_disc_is_there(lab, archive, backup_folder, fault):
    with storescp(backup_folder, fault) as node:
        result = lab.make(forward=(node,))
    assert result.code == 84
    assert len(result.on_disc) == 4
    sent, _, failed = forwarded(result)
    assert sent + failed == 4
    assert failed > 0
    with storescp(backup_folder) as node:
        healed = lab.make(forward=(node,))
    assert (healed.code, *forwarded(healed)) == (0, 4, 0, 0)
