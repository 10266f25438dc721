"""No patient data where it does not belong: whole programs, searched from outside.

A patient whose every word is found nowhere else; after each kind of end all that was written, said,
named or shown to other users is searched for it. The image alone may hold it.
"""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from whole_jobs import free_port, instance, save

from mkiso.core.exit_codes import BY_CODE

#: Attribute -> value; the words of it are searched for, in any encoding that files could have.
PATIENT = {
    "PatientName": "Quuxworth^Zebulonia=김쿡스^제불=주소",
    "PatientID": "PIDQ77X",
    "PatientBirthDate": "19330517",
    "OtherPatientIDs": "OIDZ88Y",
    "OtherPatientNames": "Maidenquux^Z",
    "PatientAddress": "Wobbleston Lane 7",
    "PatientTelephoneNumbers": "5550177733",
    "PatientComments": "Commentquux of hers",
    "IssuerOfPatientID": "ISSUERQX",
    "EthnicGroup": "Ethnoquux",
    "SpecificCharacterSet": "ISO_IR 192",
}
WORDS = (
    "Quuxworth", "Zebulonia", "김쿡스", "제불", "PIDQ77X", "19330517", "1933-05-17", "17.05.1933",
    "OIDZ88Y", "Maidenquux", "Wobbleston", "5550177733", "Commentquux", "ISSUERQX", "Ethnoquux",
)  # fmt: skip
NEEDLES = {
    word.encode(encoding) for word in WORDS for encoding in ("utf-8", "utf-16-le", "utf-16-be")
} | {json.dumps(word).strip('"').encode() for word in WORDS}
ACCESSION = "ACCQ42"


def found_in(content):
    folded = content.lower()
    return sorted({n for n in NEEDLES if n.lower() in folded})


def is_of_the_disc(path):
    """The image, and the instances in the work folder of a run that was killed."""
    return path.suffix == ".iso" or path.parent.name.startswith(".mkiso-")


class Watch:
    """Looks every few milliseconds at what other users of the machine can see of a program."""

    def __init__(self, pid, folders):
        self.pid = pid
        self.folders = folders
        self.seen = set()
        self.modes = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(10)

    def _look_on(self):
        while not self._end.wait(0.01):
            self.look()

    def look(self):
        for pid in self._family():
            for name in ("cmdline", "comm"):
                with contextlib.suppress(OSError):
                    self.seen.add(Path("/proc", pid, name).read_bytes())
            with contextlib.suppress(OSError):
                for task in Path("/proc", pid, "task").iterdir():
                    with contextlib.suppress(OSError):
                        self.seen.add((task / "comm").read_bytes())
        for folder in self.folders:
            for path, folders, files in os.walk(folder):
                for name in (*folders, *files):
                    whole = Path(path, name)
                    self.seen.add(os.fsencode(str(whole)))
                    with contextlib.suppress(OSError):
                        self.modes[str(whole)] = stat.S_IMODE(whole.lstat().st_mode)

    def _family(self):
        """The process and those that it started, when it started any."""
        family, new = [], [str(self.pid)]
        while new:
            pid = new.pop()
            family.append(pid)
            with contextlib.suppress(OSError):
                new += Path("/proc", pid, "task", pid, "children").read_text().split()
        return family


@pytest.fixture
def world(lab):
    """A laboratory whose archive has nothing but this patient, and a program to start."""
    for path in [*lab.images.rglob("*")]:
        if path.is_file():
            path.unlink()
    for number in (1, 2, 3):
        made = instance(number=number, AccessionNumber=ACCESSION, **PATIENT)
        save(lab.images, f"1.2.3/{number}", made)
    lab.start()
    return World(lab)


class World:
    def __init__(self, lab):
        self.lab = lab
        self.archive = lab.archive
        self.folders = [lab.folder / name for name in ("home", "tmp", "state")]
        for folder in self.folders:
            folder.mkdir(mode=0o700, exist_ok=True)
        self.on_line = {}

    def run(
        self, *arguments, accession=ACCESSION, program=("-m", "mkiso"), during=None, stdin=None
    ):
        """Run `mkiso make --stdin`, watch it, search everything; return code and report."""
        lab = self.lab
        command = [
            sys.executable, *program, "make", "--stdin", "--json", "-v",
            "--archive", f"ABPACS@127.0.0.1:{lab.archive_port}",
            "--receiver", f"CDRECORD@127.0.0.1:{lab.port}",
            "--output", str(lab.output),
            "--set", "job.quiet_period=0.2", "--set", "job.first_instance_timeout=3",
            "--set", "job.minimum_free=0", "--set", "nodes.abpacs.retries=0",
            "--stall-timeout", "3", "--deadline", "30", *arguments,
        ]  # fmt: skip
        home, temporary, state = self.folders
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=home,
            umask=0,  # what the caller has must not matter
            env={
                "PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(temporary),
                "XDG_STATE_HOME": str(state), "PYTHONPATH": os.pathsep.join(sys.path),
            },
        )  # fmt: skip
        with Watch(process.pid, [lab.output, *self.folders]) as watch:
            self.watch = watch
            if during:
                threading.Thread(target=during, args=(process,), daemon=True).start()
            stdout, stderr = process.communicate((stdin or f"{accession}\n").encode(), timeout=60)
        self.search(watch, stdout, stderr)
        assert not any(accession.encode() in line for line in watch.seen if b"\0make\0" in line)
        return process.returncode, json.loads(stdout)

    def search(self, watch, stdout, stderr):
        """What was said, named, shown and left behind."""
        assert found_in(stdout) == []
        assert found_in(stderr) == []
        assert found_in(b"\n".join(watch.seen)) == []
        for folder in (self.lab.output, *self.folders):
            for path in folder.rglob("*"):
                assert found_in(os.fsencode(path)) == []
                if path.is_file() and not is_of_the_disc(path):
                    assert found_in(path.read_bytes()) == [], path
        for name, mode in watch.modes.items():
            if Path(name).name.startswith("disc"):
                continue  # the image gets its permissions before its name; its folder is private
            inside = any(part.startswith(".mkiso-") for part in Path(name).parts)
            if inside or Path(name).is_relative_to(self.folders[2]):
                assert mode & 0o077 == 0, (name, oct(mode))


def test_the_search_finds_what_it_should(world):
    """Or all the others would be worth nothing."""
    assert found_in("x김쿡스".encode()) != []
    assert found_in(b"Q\0U\0U\0X\0W\0O\0R\0T\0H\0") != []
    assert found_in(json.dumps({"n": "김쿡스"}).encode()) != []
    assert world.run()[0] == 0
    (image,) = world.lab.output.glob("*.iso")
    assert found_in(image.read_bytes()) != []
    assert any(b".mkiso-" in line for line in world.watch.seen)


# --- each kind of end


def ends_with(result, code):
    assert (result[0], result[1]["code"]) == (code, code), result[1]["message"]
    assert result[1]["name"] == BY_CODE[code].name


def test_a_disc_and_the_same_disc_again(world):
    ends_with(world.run("--requested-by", "Dr. Example"), 0)
    ends_with(world.run(), 0)


def test_not_found(world):
    ends_with(world.run(accession="NOBODY"), 66)


def test_archive_away(world):
    world.archive.stop()
    ends_with(world.run(), 75)


def test_destination_unknown(world):
    world.archive.on_move = lambda move: move.finish(0xA801)
    ends_with(world.run(), 78)


def test_incomplete_with_and_without_a_disc(world):
    world.archive.on_move = lambda move: move.normally(drop={"1.2.3.1.2"})
    ends_with(world.run(), 80)
    ends_with(world.run("--allow-incomplete"), 80)
    assert [p.name for p in world.lab.output.glob("*.iso")] == [f"{ACCESSION}.INCOMPLETE.iso"]


def test_another_patient_in_the_study(world):
    other = {**PATIENT, "PatientID": "PIDQ77X2", "PatientName": "Quuxworth^Other"}

    def mixes(move):
        with move.associated() as association:
            move.store(association, instance(number=1, AccessionNumber=ACCESSION, **other))
        move.send(move.instances[1:])
        move.finish(0x0000, completed=3)

    world.archive.on_move = mixes
    ends_with(world.run(), 81)


def test_two_patients_under_one_number(world):
    other = {**PATIENT, "PatientID": "PIDQ77X2"}
    made = instance(study="1.2.4", AccessionNumber=ACCESSION, **other)
    world.archive.rescan(save(world.lab.images, "1.2.4", made))
    ends_with(world.run(), 82)


def test_broken_data_sets(world):
    def breaks(move):
        with move.associated() as association:
            for number in (1, 2, 3):
                made = instance(number=number, AccessionNumber=ACCESSION, **PATIENT)
                data = b"\x10\x00\x10\x00PN\x0a\x00Quuxworth^\x10\x00\x20\x00LO\xff\x7fPIDQ77X"
                move.store(association, made, data=data)
        move.finish(0xB000, completed=0, failed=3)

    world.archive.on_move = breaks
    ends_with(world.run(), 80)


def test_another_disc_has_the_name(world):
    world.lab.output.mkdir(exist_ok=True)
    (world.lab.output / f"{ACCESSION}.iso").write_bytes(b"another")
    ends_with(world.run(), 73)


def test_too_many_instances(world):
    ends_with(world.run("--max-instances", "2"), 85)


def test_a_node_that_takes_nothing(world):
    ends_with(world.run("--forward", f"BACKUP@127.0.0.1:{free_port()}"), 84)


def test_usage_quotes_nothing_that_it_was_not_given(world):
    ends_with(world.run(stdin="A*\n"), 64)
    ends_with(world.run(stdin='{"accessions": ["Quuxworth'), 65)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_in_the_middle(world, number, code):
    arrived = threading.Event()

    def half(move):
        move.send(move.instances[:2])
        arrived.set()
        move.hang()

    world.archive.on_move = half

    def stop(process):
        arrived.wait(30)
        time.sleep(0.3)
        process.send_signal(number)

    ends_with(world.run(during=stop), code)


#: A bug that has the patient in its exception, raised where the patient is known.
_BUG = """
import sys
import mkiso.stages.author as author
def run(acquired, context, *rest):
    header = acquired.retrieved.instances[0].header
    try:
        raise ValueError(repr(header.patient))
    except ValueError as error:
        raise RuntimeError(f"cannot make a disc of {header.patient!r}") from error
author.run = run
from mkiso.cli.main import main
sys.exit(main())
"""


def test_a_bug_that_chokes_on_the_patient(world):
    code, report = world.run(program=("-c", _BUG))
    assert code == 70
    log = Path(report["log"]).read_text()
    assert "RuntimeError" in log
    assert "ValueError" in log


def test_killed_while_it_works_the_next_run_sweeps(world):
    arrived, killed = threading.Event(), threading.Event()

    def half(move):
        move.send(move.instances[:2])
        arrived.set()
        world.archive.on_move = None
        killed.wait(30)
        move.finish(0xB000)

    world.archive.on_move = half

    def kill(process):
        arrived.wait(30)
        process.kill()
        process.wait(30)
        killed.set()

    with pytest.raises(json.JSONDecodeError):
        world.run(during=kill)
    left = [p for p in world.lab.output.iterdir() if p.name.startswith(".mkiso-")]
    assert [stat.S_IMODE(p.stat().st_mode) for p in left] == [0o700]
    ends_with(world.run(), 0)
    assert [p for p in world.lab.output.iterdir() if p.name.startswith(".mkiso-")] == []
