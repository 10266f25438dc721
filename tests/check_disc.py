"""The one judge of a finished disc for all tests: mkiso's own, and every other reader there is."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from mkiso.core.disc_content import CheckResult
from mkiso.disc.read_back import check_image

_CHECKER = Path(__file__).resolve().parent.parent.parent / "shared" / "tools" / "check_disc.sh"


def check_disc(
    image: Path, source: Path | None = None, *, folder: Path | None = None, **environment: str
) -> CheckResult:
    """Assert that the image is a good disc, and return what mkiso's judge found.

    `source`: a folder with the DICOM files that must be on it, data sets unchanged. `folder`: an
    empty place for extracted files. Readers that are not installed are left out.
    """
    result = check_image(image)
    assert result.errors == ()
    assert result.instances
    assert result.sha256 == hashlib.sha256(image.read_bytes()).hexdigest()
    for command, bad in _READERS:
        if shutil.which(command[0]):
            _run([*command, str(image)], bad)
    if shutil.which("xorriso"):
        _run(
            ["xorriso", "-abort_on", "NEVER", "-indev", str(image), "-check_media", "--"],
            r" : (WARNING|SORRY|FAILURE|MISHAP|FATAL) : ",
        )
    if folder is not None:
        _check_extractions(image, folder, result)
    if _CHECKER.is_file():
        _check_independently(image, source, environment)
    return result


#: (command before the image's path, what must not be in its output)
_READERS = (
    (("isoinfo", "-l", "-R", "-i"), r"(?i)error"),
    (("isoinfo", "-l", "-J", "-i"), r"(?i)error"),
    (("isovfy",), r"(?i)(?<!No )errors"),
    (("iso-info", "-f", "-i"), r"WARN|ERROR"),
    (("7z", "t"), r"(?im)^(ERROR|WARNING)"),
    (("bsdtar", "-tf"), r"(?i)error"),
)


def _run(command: list[str], bad: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    text = done.stdout + done.stderr
    assert done.returncode == 0, f"{command[0]}: {text[-500:]}"
    assert not re.search(bad, text), f"{command[0]}: {text[-500:]}"


def _check_extractions(image: Path, folder: Path, result: CheckResult) -> None:
    """Check that other programs take out of the image the very files that were hashed."""
    wanted = {file.path: file.sha256 for file in result.files}
    for name, command in {
        "bsdtar": ["bsdtar", "-xf", str(image), "-C"],
        "xorriso": ["xorriso", "-osirrox", "on", "-indev", str(image), "-extract", "/"],
        "7z": ["7z", "x", "-y", str(image)],
    }.items():
        if not shutil.which(name):
            continue
        place = folder / name
        place.mkdir()
        last = f"-o{place}" if name == "7z" else str(place)
        subprocess.run([*command, last], capture_output=True, timeout=120, check=True)
        found = {
            file.relative_to(place).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in place.rglob("*")
            if file.is_file()
        }
        assert found == wanted, name


def _check_independently(image: Path, source: Path | None, environment: dict[str, str]) -> None:
    """Run the shared checker, which shares no code with mkiso."""
    done = subprocess.run(
        [str(_CHECKER), str(image), *([str(source)] if source else [])],
        env={
            **os.environ,
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
            "PY": sys.executable,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    faults = [line for line in done.stdout.splitlines() if line.startswith("FAIL ")]
    assert faults == []
    assert done.stdout.splitlines()[-1] == "FAILURES 0", done.stderr[-500:]
