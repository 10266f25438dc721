"""dcmtk at the embedded archive, and dcmqrscp asked the same questions over the same files."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port

pytestmark = pytest.mark.peers

PROGRAMS = ("findscu", "movescu", "getscu", "storescu", "storescp", "dcmqrscp", "dcmqridx")


@pytest.fixture(autouse=True)
def _programs(need_program) -> None:
    need_program(*PROGRAMS)


def run(*arguments: str, code: int = 0) -> str:
    result = subprocess.run(
        arguments,
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "TCP_NODELAY": "1"},
    )
    text = (result.stdout + result.stderr).decode("latin-1")
    assert result.returncode == code, text
    return text


@pytest.fixture
def storescp(tmp_path: Path, lab) -> Iterator[tuple[int, Path]]:
    """dcmtk's storescp as the move destination: its port and folder."""
    port, folder = free_port(), tmp_path / "arrived"
    folder.mkdir()
    command = ["storescp", "+xa", "+B", "-od", str(folder), "-aet", "CDRECORD", str(port)]
    with subprocess.Popen(command, env={**os.environ, "TCP_NODELAY": "1"}) as process:
        assert lab.wait_until(lambda: listens(port))
        yield port, folder
        process.send_signal(signal.SIGKILL)


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def dcmqrscp(folder: Path, tmp_path: Path, lab) -> Iterator[int]:
    """dcmtk's archive over copies of the same files: its port."""
    port, store = free_port(), tmp_path / "dcmqrscp"
    store.mkdir()
    (store / "cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nABPACS {store} RW (100, 1024mb) ANY\nAETable END\n"
    )
    for n, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
        copied = shutil.copy(path, store / f"f{n}")
        run("dcmqridx", str(store), str(copied))
    with subprocess.Popen(["dcmqrscp", "-c", str(store / "cfg")]) as process:
        assert lab.wait_until(lambda: listens(port))
        yield port
        process.send_signal(signal.SIGKILL)


def found(port: int, model: str, level: str, unique: str, *keys: str) -> list[str]:
    """The unique keys that findscu prints for a query, sorted."""
    arguments = ["findscu", model, "-aec", "ABPACS", "127.0.0.1", str(port)]
    for key in (f"QueryRetrieveLevel={level}", *keys):
        arguments += ["-k", key]
    if not any(key.startswith(unique) for key in keys):
        arguments += ["-k", unique]
    answers = run(*arguments).split("Find Response")[1:]
    values = (re.search(rf"\[([^\]]*)\]\s+#.* {unique}\n", answer) for answer in answers)
    return sorted(value[1].strip(" \0") for value in values if value)


STUDY, SERIES, IMAGE = "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"

#: Questions on which dcmqrscp and the standard agree.
QUESTIONS = [
    ("-S", "STUDY", STUDY, ("AccessionNumber=A1",)),
    ("-S", "STUDY", STUDY, ("AccessionNumber=A*",)),
    ("-S", "STUDY", STUDY, ("AccessionNumber=?2",)),
    ("-S", "STUDY", STUDY, ("AccessionNumber=a1",)),
    ("-S", "STUDY", STUDY, ("AccessionNumber=",)),
    ("-S", "STUDY", STUDY, ("PatientID=P1",)),
    ("-S", "STUDY", STUDY, ("PatientName=Doe*",)),
    ("-S", "STUDY", STUDY, ("StudyInstanceUID=1.2.3\\1.2.5",)),
    ("-S", "STUDY", STUDY, ("StudyDate=20260101-20260201",)),
    ("-S", "STUDY", STUDY, ("StudyDate=20260201-",)),
    ("-S", "STUDY", STUDY, ("StudyTime=1000-1100",)),
    ("-S", "SERIES", SERIES, ("StudyInstanceUID=1.2.3",)),
    ("-S", "SERIES", SERIES, ("StudyInstanceUID=1.2.3", "Modality=MR")),
    ("-S", "IMAGE", IMAGE, ("StudyInstanceUID=1.2.3", "SeriesInstanceUID=1.2.3.1")),
    ("-P", "PATIENT", "PatientID", ("PatientName=",)),
    ("-P", "PATIENT", "PatientID", ("PatientName=Roe^Richard",)),
    ("-P", "STUDY", STUDY, ("PatientID=P1",)),
]


def test_the_answers_are_dcmqrscps(archive, dcmqrscp) -> None:
    for model, level, unique, keys in QUESTIONS:
        ours = found(archive.port, model, level, unique, *keys)
        assert ours == found(dcmqrscp, model, level, unique, *keys), (level, keys)


def test_movescu_moves_into_storescp(start, storescp) -> None:
    port, arrived = storescp
    archive = start(destinations={"CDRECORD": ("127.0.0.1", port)})
    where = ["-aec", "ABPACS", "-aem", "CDRECORD", "127.0.0.1", str(archive.port)]
    run("movescu", "-S", *where, "-k", "QueryRetrieveLevel=STUDY", "-k", f"{STUDY}=1.2.3")
    assert len(list(arrived.iterdir())) == 4


def test_getscu_gets_a_study(archive, tmp_path) -> None:
    where = ["-aec", "ABPACS", "-od", str(tmp_path), "127.0.0.1", str(archive.port)]
    run("getscu", "-S", *where, "-k", "QueryRetrieveLevel=STUDY", "-k", f"{STUDY}=1.2.3")
    assert len([p for p in tmp_path.iterdir() if p.is_file()]) == 4


def test_storescu_stores_and_findscu_finds(archive, folder, tmp_path, lab) -> None:
    path = lab.save(tmp_path, "new", lab.make("1.2.9", AccessionNumber="NEW"))
    run("storescu", "-aec", "ABPACS", "127.0.0.1", str(archive.port), str(path))
    assert found(archive.port, "-S", "STUDY", STUDY, "AccessionNumber=NEW") == ["1.2.9"]


@pytest.mark.data
def test_the_real_files_are_moved_as_they_are_stored(
    shared_data, start, storescp, tmp_path, lab
) -> None:
    """A real study by movescu: each data set that arrives is the one in the file, bit for bit."""
    port, arrived = storescp
    archive = start(
        folder=shared_data,
        index_file=tmp_path / "index",
        destinations={"CDRECORD": ("127.0.0.1", port)},
    )
    studies = found(archive.port, "-S", "STUDY", STUDY, "AccessionNumber=MOF5026")
    for study in studies:
        where = ["-aec", "ABPACS", "-aem", "CDRECORD", "127.0.0.1", str(archive.port)]
        run("movescu", "-S", *where, "-k", "QueryRetrieveLevel=STUDY", "-k", f"{STUDY}={study}")
    stored = {i.sop_instance_uid: i for i in archive.index.stored(())}
    files = list(arrived.iterdir())
    assert len(files) == 16
    for path in files:
        kept = lab.read(path)
        original = stored[str(kept.SOPInstanceUID)]
        data_set = original.path.read_bytes()[original.data_set_offset :]
        assert path.read_bytes().endswith(data_set)


#: Model, level and unique keys of retrievals.
RETRIEVALS = [
    ("-P", "PATIENT", ("PatientID=P1",)),
    ("-P", "STUDY", ("PatientID=P1", f"{STUDY}=1.2.3")),
    ("-S", "STUDY", (f"{STUDY}=1.2.3",)),
    ("-S", "SERIES", (f"{STUDY}=1.2.3", f"{SERIES}=1.2.3.1")),
    ("-S", "IMAGE", (f"{STUDY}=1.2.3", f"{SERIES}=1.2.3.1", f"{IMAGE}=1.2.3.1.2")),
]


def test_getscu_gets_at_every_level_what_dcmqrscp_gives(archive, dcmqrscp, tmp_path, lab) -> None:
    for number, (model, level, keys) in enumerate(RETRIEVALS):
        arrived = {}
        for name, port in (("ours", archive.port), ("theirs", dcmqrscp)):
            folder = tmp_path / f"{name}-{number}"
            folder.mkdir()
            asked = [word for key in (f"QueryRetrieveLevel={level}", *keys) for word in ("-k", key)]
            where = ["+B", "-aec", "ABPACS", "-od", str(folder), "127.0.0.1", str(port)]
            run("getscu", model, *where, *asked)
            arrived[name] = data_sets(folder, lab)
        assert arrived["ours"], (level, keys)
        assert arrived["ours"] == arrived["theirs"], (level, keys)


def test_movescu_moves_at_every_level_bit_for_bit(start, storescp, tmp_path, lab) -> None:
    port, arrived = storescp
    archive = start(destinations={"CDRECORD": ("127.0.0.1", port)})
    originals = data_sets(Path(archive.folder), lab)
    for (model, level, keys), count in zip(RETRIEVALS, (5, 4, 4, 3, 1), strict=True):
        asked = [word for key in (f"QueryRetrieveLevel={level}", *keys) for word in ("-k", key)]
        where = ["-aec", "ABPACS", "-aem", "CDRECORD", "127.0.0.1", str(archive.port)]
        run("movescu", model, *where, *asked)
        got = data_sets(arrived, lab)
        assert len(got) == count, (level, keys)
        assert got.items() <= originals.items()
        for path in arrived.iterdir():
            path.unlink()


def data_sets(folder: Path, lab) -> dict[str, bytes]:
    """SOP Instance UID to the bytes behind the file meta, of the DICOM files below a folder."""
    found = {}
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if content[128:132] == b"DICM":
            meta = lab.read(path).file_meta
            end = 144 + meta.FileMetaInformationGroupLength
            found[str(meta.MediaStorageSOPInstanceUID)] = content[end:]
    return found


def test_echoscu_is_answered(archive) -> None:
    run("echoscu", "-aec", "ABPACS", "127.0.0.1", str(archive.port))
    run("echoscu", "-aec", "OTHER", "127.0.0.1", str(archive.port), code=1)
