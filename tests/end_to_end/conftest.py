"""Orthanc and dcmqrscp with the shared data, and mkiso run as a program."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import peers
import pytest


@pytest.fixture(scope="session")
def orthanc(shared_tools, shared_data, need_program, tmp_path_factory):
    need_program("Orthanc", "curl", "ss")
    folder = tmp_path_factory.mktemp("orthanc") / "state"
    archive = peers.start("orthanc", shared_tools, shared_data, folder)
    yield archive
    peers.stop(archive)


@pytest.fixture(scope="session")
def dcmqrscp(shared_tools, shared_data, need_program, tmp_path_factory):
    need_program("dcmqrscp", "dcmqridx", "dcmftest", "ss")
    folder = tmp_path_factory.mktemp("dcmqrscp") / "state"
    archive = peers.start("dcmqrscp", shared_tools, shared_data, folder)
    yield archive
    peers.stop(archive)


@pytest.fixture(params=["orthanc", "dcmqrscp"])
def archive(request):
    """Both archives in turn."""
    return request.getfixturevalue(request.param)


@dataclass
class Run:
    """One finished `mkiso` process."""

    code: int
    report: dict
    stderr: str
    folder: Path
    discs: list[Path] = field(default_factory=list)

    @property
    def missing(self) -> set[str]:
        return {each["sop_instance_uid"] for each in self.report["missing"]}


@pytest.fixture
def mkiso(tmp_path):
    """Run `mkiso make` against an archive; returns code, report and what is in the folder."""

    def run(archive, *arguments: str, timeout: float = 150, **environment: str) -> Run:
        folder = tmp_path / f"out{len(list(tmp_path.glob('out*')))}"
        command = [sys.executable, "-m", "mkiso", "make", "--json", "--output", str(folder)]
        if "--archive" not in arguments:
            command += ["--archive", archive.node]
        command += ["--receiver", archive.receiver, *arguments]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), **environment},
        )
        assert done.stdout.strip(), done.stderr
        report = json.loads(done.stdout)
        assert report["code"] == done.returncode, done.stderr
        discs = sorted(folder.glob("*.iso")) if folder.is_dir() else []
        left = [p.name for p in folder.glob(".mkiso-*")] if folder.is_dir() else []
        assert left == [], "the work folder must be gone"
        return Run(done.returncode, report, done.stderr, folder, discs)

    return run


@pytest.fixture
def captured(tmp_path, need_program):
    """Return the folder with what dcmtk's storescp got from the archive for an accession number."""
    need_program("storescp", "movescu", "findscu")

    def capture(archive, *accession_numbers: str) -> Path:
        folder = tmp_path / f"capture{len(list(tmp_path.glob('capture*')))}"
        folder.mkdir()
        with peers.storescp(archive.receiver_port, folder):
            for uid in sorted({u for a in accession_numbers for u in peers.study_uids(archive, a)}):
                peers.move(archive, "STUDY", study=uid)
        return folder

    return capture
