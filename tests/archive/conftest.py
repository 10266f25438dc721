"""A small archive on a free port, and pynetdicom as the peer that uses it."""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, Association, _config, build_role, evt

from mkiso.archive.server import EmbeddedArchive
from mkiso.network import dimse, transport

_config.LOG_HANDLER_LEVEL = "none"

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
SR = "1.2.840.10008.5.1.4.1.1.88.11"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"


def make_instance(
    study: str = "1.2.3",
    series: str = "1",
    instance: str = "1",
    *,
    syntax: str = ExplicitVRLittleEndian,
    **more,
) -> Dataset:
    """A small instance; UIDs are built from the study's, more attributes by keyword."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID = CT
    ds.StudyInstanceUID = study
    ds.SeriesInstanceUID = f"{study}.{series}"
    ds.SOPInstanceUID = f"{study}.{series}.{instance}"
    ds.PatientName = "Doe^Jane"
    ds.PatientID = "P1"
    ds.PatientBirthDate = "19700101"
    ds.StudyDate, ds.StudyTime, ds.StudyID = "20260131", "103000", "S1"
    ds.AccessionNumber = "A1"
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "CT", series, instance
    ds.Rows = ds.Columns = 16
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 15, 0, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelData = bytes(range(256)) * 2
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def save(folder: Path, name: str, ds: Dataset) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two studies of Jane, one of them CT and MR; one of a man with the same accession number."""
    root = tmp_path / "files"
    for n in (1, 2, 3):
        save(root, f"a/{n}", make_instance("1.2.3", "1", str(n)))
    save(root, "a/mr", make_instance("1.2.3", "2", "1", SOPClassUID=MR, Modality="MR"))
    save(root, "b/1", make_instance("1.2.4", AccessionNumber="A2", StudyDate="20260215"))
    save(
        root,
        "c/1",
        make_instance("1.2.5", PatientID="P2", PatientName="Roe^Richard", AccessionNumber="A1"),
    )
    return root


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., EmbeddedArchive]]:
    """Start an archive over the folder; faults in its threads fail the test."""
    faults: list[Exception] = []
    with contextlib.ExitStack() as stack:

        def started(**options) -> EmbeddedArchive:
            options.setdefault("failed", faults.append)
            return stack.enter_context(EmbeddedArchive(options.pop("folder", folder), **options))

        yield started
    assert faults == []


@pytest.fixture
def archive(start: Callable[..., EmbeddedArchive]) -> EmbeddedArchive:
    return start()


@contextlib.contextmanager
def associated(
    archive: EmbeddedArchive, *contexts, called: str = "ABPACS", roles=(), handlers=()
) -> Iterator[Association]:
    """An association of pynetdicom with the archive; contexts are UIDs or (UID, syntaxes)."""
    ae = AE(ae_title="TESTSCU")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    for context in contexts:
        uid, syntaxes = context if isinstance(context, tuple) else (context, None)
        ae.add_requested_context(uid, syntaxes or ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
    association = ae.associate(
        "127.0.0.1",
        archive.port,
        ae_title=called,
        ext_neg=[build_role(uid, scp_role=True) for uid in roles],
        evt_handlers=list(handlers),
    )
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def find(archive: EmbeddedArchive, level: str, model: str = STUDY_FIND, **keys) -> list[Dataset]:
    """The answers to a C-FIND; checks that it ends with success."""
    request = Dataset()
    request.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(request, keyword, value)
    with associated(archive, model) as association:
        assert association.is_established
        *pending, (final, _) = association.send_c_find(request, model)
    assert final.Status == 0
    assert {status.Status for status, _ in pending} <= {0xFF00, 0xFF01}
    return [answer for _, answer in pending]


@pytest.fixture
def destination() -> Iterator[SimpleNamespace]:
    """A storage SCP: what it received, what it saw, and what it shall answer."""
    seen = SimpleNamespace(
        instances=[],
        originators=[],
        raw=[],
        associations=0,
        answer=lambda uid: 0x0000,
        aborts_at="",
        delay=None,
    )

    def on_store(event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        if seen.delay is not None:
            seen.delay.wait(20)
        seen.instances.append(uid)
        seen.raw.append(event.request.DataSet.getvalue())
        seen.originators.append(
            (
                event.request.MoveOriginatorApplicationEntityTitle,
                event.request.MoveOriginatorMessageID,
            )
        )
        if uid == seen.aborts_at:
            event.assoc.abort()
        return seen.answer(uid)

    def on_association(_event) -> None:
        seen.associations += 1

    def serve(*contexts) -> int:
        ae = AE(ae_title="CDRECORD")
        for uid, syntaxes in contexts or [(c, None) for c in (CT, MR, SR)]:
            ae.add_supported_context(uid, syntaxes or ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
        server = ae.start_server(
            ("127.0.0.1", 0),
            block=False,
            evt_handlers=[(evt.EVT_C_STORE, on_store), (evt.EVT_ESTABLISHED, on_association)],
        )
        servers.append(server)
        return server.server_address[1]

    servers: list = []
    seen.serve = serve
    yield seen
    for server in servers:
        threading.Thread(target=server.shutdown, daemon=True).start()  # it takes half a second


def move(
    archive: EmbeddedArchive, level: str, to: str = "CDRECORD", model: str = STUDY_MOVE, **keys
) -> tuple[list[Dataset], Dataset, Dataset | None]:
    """A C-MOVE: pending statuses, final status, final identifier."""
    request = Dataset()
    request.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(request, keyword, value)
    with associated(archive, model) as association:
        assert association.is_established
        responses = list(association.send_c_move(request, to, model, msg_id=77))
    *pending, (final, identifier) = responses
    return [status for status, _ in pending], final, identifier


def read(path: Path) -> Dataset:
    return pydicom.dcmread(path)


def decode(raw: bytes, syntax: str) -> Dataset:
    return read_dataset(io.BytesIO(raw), syntax == "1.2.840.10008.1.2", True)


def encoded(ds: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, ds)
    return buffer.getvalue()


@contextlib.contextmanager
def raw_association(port: int) -> Iterator[transport.Association]:
    """An association of our own, which sends what pynetdicom would not."""
    association = transport.connect(
        "127.0.0.1",
        port,
        calling_ae_title="RAW",
        called_ae_title="ABPACS",
        contexts=[transport.ProposedContext(CT, (str(ExplicitVRLittleEndian),))],
    )
    try:
        yield association
    finally:
        association.close()


def store_command(ds: Dataset, instance: str = "") -> dict:
    return {
        "CommandField": dimse.C_STORE_RQ,
        "MessageID": 1,
        "AffectedSOPClassUID": CT,
        "AffectedSOPInstanceUID": instance or str(ds.SOPInstanceUID),
        "Priority": 0,
    }


def raw_store(
    association: transport.Association, ds: Dataset, *, instance: str = "", cut: int = 0
) -> int:
    """A C-STORE whose command names another instance, or whose data set ends too early."""
    data = encoded(ds)
    association.send(1, store_command(ds, instance), data[: len(data) - cut])
    return association.receive().command["Status"]


def begin_store(association: transport.Association, ds: Dataset) -> None:
    """The first half of a C-STORE."""
    command = dimse.encode_command({**store_command(ds), "CommandDataSetType": 1})
    data = encoded(ds)
    for control, fragment in ((3, command), (0, data[: len(data) // 2])):
        pdv = struct.pack(">IBB", len(fragment) + 2, 1, control) + fragment
        association._wire.send(struct.pack(">BxI", 4, len(pdv)) + pdv, time.monotonic() + 10)


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    waiter = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return True
        waiter.wait(0.02)
    return condition()


@pytest.fixture(scope="session")
def lab() -> SimpleNamespace:
    """What the tests of this room share; test modules cannot import from here."""
    return SimpleNamespace(
        make=make_instance,
        save=save,
        associated=associated,
        find=find,
        move=move,
        read=read,
        decode=decode,
        raw_association=raw_association,
        raw_store=raw_store,
        begin_store=begin_store,
        at=lambda port: SimpleNamespace(port=port),
        wait_until=wait_until,
    )
