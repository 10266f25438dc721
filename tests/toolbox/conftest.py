"""The laboratory of the toolbox's tests."""

import contextlib
import os
import signal

import pytest
from peers import free_ports
from toolbox_lab import Lab, make_people


@pytest.fixture
def lab(tmp_path, capfd, monkeypatch):
    for name in os.environ:
        if name.startswith("MKISO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    umask = os.umask(0o022)
    with contextlib.ExitStack() as stack:
        yield Lab(tmp_path, capfd, stack)
    os.umask(umask)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def two_orthancs(lab, tmp_path, shared_tools, need_program):
    """Two Orthancs that know each other and us; the first one has the people."""
    need_program("Orthanc")
    ports = free_ports(2)
    people, nobody = make_people(tmp_path / "people"), tmp_path / "nobody"
    nobody.mkdir()
    for number, (name, data) in enumerate((("pacs", people), ("raw", nobody))):
        other = ports[1 - number]
        aet = ("ABPACS", "RAWPACS")[1 - number]
        lab.real(
            "orthanc", shared_tools, data,
            PORT=str(ports[number]), AET=("ABPACS", "RAWPACS")[number],
            DEST_AET=aet, DEST_PORT=str(other),
            EXTRA='"DicomAlwaysAllowFind": true, "DicomAlwaysAllowMove": true,'
            ' "DicomAlwaysAllowGet": true, "DicomAlwaysAllowStore": true,'
            ' "DicomCheckModalityHost": false, "MaximumStorageCacheSize": 0',
        )  # fmt: skip
        lab.name(name, ports[number], ("ABPACS", "RAWPACS")[number])
    return lab
