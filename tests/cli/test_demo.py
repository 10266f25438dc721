"""`mkiso demo`: the real thing on loopback, with patients of its own."""

from __future__ import annotations

import itertools
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from mkiso.archive.demo_patient import ACCESSION_NUMBER, write_demo_patients
from mkiso.cli.commands import demo
from mkiso.errors import InternalError

PROJECT = Path(__file__).resolve().parent.parent.parent


def environment(folder: Path) -> dict[str, str]:
    """Without the user's settings and state, and with a temporary folder that can be looked at."""
    (folder / "tmp").mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    foreign = {"MKISO_ARCHIVE": "NOBODY@127.0.0.1:1", "MKISO_NAME": "another"}
    return {**kept, **foreign, "HOME": str(folder), "TMPDIR": str(folder / "tmp")}


@pytest.mark.slow
def test_the_demo_makes_a_disc_and_shows_a_refusal(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mkiso", "demo", "--output", str(tmp_path / "discs")],
        cwd=PROJECT,
        env=environment(tmp_path),
        capture_output=True,
        check=False,
        text=True,
        timeout=150,
    )
    assert result.returncode == 0, result.stderr
    image = tmp_path / "discs" / f"{ACCESSION_NUMBER}.iso"
    assert image.is_file()
    assert str(image) in result.stdout
    assert "exit code 82" in result.stdout
    rows = dict(line.split() for line in result.stdout.splitlines() if len(line.split()) == 2)
    assert rows["CT"] == "74"
    assert rows["all"] == "90"
    assert [p.name for p in image.parent.glob("*.iso")] == [image.name]
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (tmp_path / ".local").exists()  # the user's own state folder
    assert len(list((tmp_path / "discs" / ".mkiso-state" / "jobs").glob("*.log"))) == 2
    (command, _) = (x for x in result.stdout.splitlines() if x.startswith("Running: mkiso make"))
    assert "mkiso-demo-" not in command  # nothing in it is gone but the archive
    assert str(tmp_path / "discs") in shlex.split(command)


@pytest.mark.slow
def test_a_demo_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "mkiso", "demo", "--output", str(tmp_path / "discs")],
        cwd=PROJECT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        for line in process.stdout:
            if line.startswith("Running: mkiso make"):
                break
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(30) == 143
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_disc_from_an_ambiguous_number_is_a_failed_demo() -> None:
    with pytest.raises(InternalError):
        demo._show_refusal(demo._Run(0, {}), "DEMOTWICE")


@pytest.fixture(scope="module")
def patients(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("patients")
    write_demo_patients(folder)
    return folder


def test_the_patient_is_one_in_every_object(patients: Path) -> None:
    headers = [pydicom.dcmread(p, stop_before_pixels=True) for p in (patients / "dora").iterdir()]
    assert len(headers) == 90
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID"):
        assert len({str(h[keyword].value) for h in headers}) == 1, keyword
    assert len({h.SOPInstanceUID for h in headers}) == 90
    numbers = {h.SeriesInstanceUID: h.SeriesNumber for h in headers}
    assert len(set(numbers.values())) == len(numbers) == 19


def test_nothing_of_the_objects_own_patients_is_left(patients: Path) -> None:
    names = (b"CompressedSamples", b"Sssssss", b"JANCT", b"CQ500", b"Lestrade", b"JFK IMAGING")
    for path in (patients / "dora").iterdir():
        content = path.read_bytes()
        assert not [name for name in names if name in content], path


def test_the_phantom_is_a_volume_in_space(patients: Path) -> None:
    slices = [pydicom.dcmread(p) for p in sorted((patients / "dora").iterdir())[:72]]
    assert {s.SeriesNumber for s in slices} == {2}
    assert len({s.FrameOfReferenceUID for s in slices}) == 1
    heights = [float(s.ImagePositionPatient[2]) for s in slices]
    assert {round(a - b, 3) for a, b in itertools.pairwise(heights)} == {5.0}
    assert [s.InstanceNumber for s in slices] == list(range(1, 73))
    assert all(len(s.PixelData) == 512 * 512 * 2 for s in slices)
