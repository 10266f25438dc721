"""Burning: against xorriso's pseudo-drive for real, and against a drive that does what it likes."""

import contextlib
import signal
from pathlib import Path

import pytest
from disc_sets import write_disc

from mkiso.cli.main import main
from mkiso.core import burning
from mkiso.disc.burner import first_difference, run_program
from mkiso.errors import (
    DriveError,
    LimitError,
    NotFoundError,
    PermissionDeniedError,
    TerminatedJobError,
    UsageError,
    VerifyError,
)
from mkiso.stages import burn
from mkiso.stages.burn import BurnOrder, Patience

FEW = ("CT_small.dcm", "test-SR.dcm")
BLANK = (
    "Media current: CD-R",
    "Media status : is blank",
    "Media summary: 0 sessions, 0 data blocks, 0 data,  703m free",
    "Media space  : 359847s",
)
USED = ("Media current: CD-R", "Media status : is written , is closed", "Media space  : 0s")
NONE = ("Media current: is not present", "Media status : is not present")
ABSENT = (
    "libburn : FAILURE : File object '/dev/sr7' not found",
    "xorriso : FAILURE : Cannot acquire drive '/dev/sr7'",
)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("burn")
    path, _, _ = write_disc(folder, FEW)
    return path.rename(folder / "disc.iso")


@pytest.fixture
def program():
    """The program in this process, which has its signal handlers back afterwards."""
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield main
    for number, handler in handlers.items():
        signal.signal(number, handler)


class Drive:
    """A drive that answers as told and keeps what is burned in a file."""

    def __init__(self, medium, *states, spoil=None, status=0):
        self.medium, self.states, self.spoil, self.status = medium, list(states), spoil, status
        self.commands = []

    def __call__(self, command, hear):
        self.commands.append(command)
        if "-tell_media_space" in command:
            lines = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            for line in lines:
                hear(line)
            return 5 if lines is ABSENT else 0
        if "cdrecord" in command:
            hear("Track 01:    1 of    2 MB written (fifo 100%) [buf  50%]   4.0x.")
            if self.status:
                hear("libburn : FAILURE : SCSI error on write: Medium error. ")
                return self.status
            content = bytearray(Path(command[-1]).read_bytes())
            if self.spoil is not None:
                content[self.spoil] ^= 1
            self.medium.write_bytes(content + bytes(150 * 2048))
        return 0


def order_of(image, tmp_path, **changes):
    return BurnOrder(image, f"stdio:{tmp_path / 'medium'}", **changes)


def burned(order, drive=None, **more):
    said, shown = [], []
    quick = Patience(medium_seconds=more.pop("wait", 0.0), look_seconds=0.0)
    extra = {"run_command": drive} if drive else {}
    count = burn.run(order, say=said.append, progress=shown.append, patience=quick, **extra, **more)
    return count, said, shown


@pytest.mark.peers
def test_xorriso_burns_the_very_image_on_its_pseudo_drive(image, tmp_path, need_program):
    need_program("xorriso")
    medium = tmp_path / "medium"
    medium.touch()
    count, said, shown = burned(order_of(image, tmp_path, speed=8))
    assert count == 1
    assert said[0].startswith("Burning copy 1 of 1 on stdio file")
    assert shown[-1].stage == "verify"
    assert shown[-1].done == image.stat().st_size
    assert medium.read_bytes().startswith(image.read_bytes())


@pytest.mark.peers
def test_a_written_medium_is_not_burned_again(image, tmp_path, need_program):
    need_program("xorriso")
    (tmp_path / "medium").touch()
    burned(order_of(image, tmp_path))
    before = (tmp_path / "medium").read_bytes()
    with pytest.raises(DriveError, match="is not blank"):
        burned(order_of(image, tmp_path))
    assert (tmp_path / "medium").read_bytes() == before


@pytest.mark.peers
def test_a_drive_that_is_not_there_is_said(image, tmp_path, need_program):
    need_program("xorriso")
    with pytest.raises(DriveError, match="no drive /dev/sr77"):
        burned(BurnOrder(image, "/dev/sr77"))


@pytest.mark.peers
def test_the_command_burns_and_says_so(image, tmp_path, need_program, capsys, program):
    need_program("xorriso")
    (tmp_path / "medium").touch()
    assert program(["burn", str(image), "--device", f"stdio:{tmp_path / 'medium'}"]) == 0
    assert "read back and equal" in capsys.readouterr().out


def test_a_folder_and_a_drive_are_no_images(image, tmp_path, capsys, program):
    for what in (image.parent, Path("/dev/zero")):
        assert program(["burn", str(what), "--device", f"stdio:{tmp_path / 'medium'}"]) == 64
        assert "an image is burned" in capsys.readouterr().err
    assert not (tmp_path / "medium").exists()


def test_a_faulty_image_is_not_burned(image, tmp_path, capsys, program):
    bad = tmp_path / "bad.iso"
    content = bytearray(image.read_bytes())
    content[-5000] ^= 1
    bad.write_bytes(content)
    assert program(["burn", str(bad), "--device", f"stdio:{tmp_path / 'medium'}"]) == 83
    assert not (tmp_path / "medium").exists()
    assert "is not burned" in capsys.readouterr().err


def test_the_arguments_are_those_of_xorrecord():
    assert burning.burn_arguments("/a.iso", "/dev/sr0", speed=4) == (
        *("xorriso", "-as", "cdrecord", "-v", "dev=/dev/sr0", "speed=4", "padsize=150s", "/a.iso"),
    )
    assert "speed=4" not in burning.burn_arguments("/a.iso", "/dev/sr0")
    assert burning.eject_arguments("/dev/sr0")[-2:] == ("-eject", "all")


@pytest.mark.parametrize(
    "device", ["/dev/sda", "/dev/nvme0n1", "disc", "-x", "/dev/../sda", "stdio:/dev/sda", ""]
)
def test_a_hard_disk_is_never_burned(image, device):
    with pytest.raises(UsageError, match="no optical drive"):
        burned(BurnOrder(image, device))


def test_every_copy_is_compared_and_the_tray_opened_between(image, tmp_path):
    drive = Drive(tmp_path / "medium", BLANK, USED, BLANK)
    count, said, _ = burned(order_of(image, tmp_path, copies=2), drive, wait=60.0)
    assert count == 2
    assert any("Put a blank medium for copy 2" in line for line in said)
    assert sum("-eject" in command for command in drive.commands) == 1


def test_nobody_changing_the_medium_ends_with_an_error(image, tmp_path):
    drive = Drive(tmp_path / "medium", BLANK, USED)
    with pytest.raises(DriveError, match="not blank"):
        burned(order_of(image, tmp_path, copies=2), drive)


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        (USED, DriveError, "not blank"),
        (NONE, DriveError, "no medium"),
        (ABSENT, DriveError, "no drive"),
        ((*BLANK[:3], "Media space  : 100s"), LimitError, "has 0 MB"),
    ],
)
def test_nothing_is_written_on_an_unfit_medium(image, tmp_path, state, error, words):
    drive = Drive(tmp_path / "medium", state)
    with pytest.raises(error, match=words):
        burned(order_of(image, tmp_path), drive)
    assert not any("cdrecord" in command for command in drive.commands)


def test_a_failure_of_the_drive_is_told_in_its_words(image, tmp_path):
    drive = Drive(tmp_path / "medium", BLANK, status=5)
    with pytest.raises(DriveError, match="Medium error"):
        burned(order_of(image, tmp_path), drive)


def test_a_medium_that_reads_back_otherwise_is_thrown_away(image, tmp_path):
    drive = Drive(tmp_path / "medium", BLANK, spoil=70_000)
    with pytest.raises(VerifyError, match="throw it away"):
        burned(order_of(image, tmp_path), drive)


def test_a_signal_stops_burning(image, tmp_path):
    def stop():
        raise TerminatedJobError("stopped")

    with pytest.raises(TerminatedJobError):
        burned(order_of(image, tmp_path), Drive(tmp_path / "medium", BLANK), require_running=stop)


def test_an_image_that_is_not_there_is_said(tmp_path):
    with pytest.raises(NotFoundError):
        burned(order_of(tmp_path / "none.iso", tmp_path), Drive(tmp_path / "medium", BLANK))


def test_permission_is_told_from_absence():
    lines = ["libburn : FAILURE : open('/dev/sr0') : Permission denied"]
    assert isinstance(burning.failure(lines, "/dev/sr0", "Burning"), PermissionDeniedError)


def test_a_medium_that_is_shorter_than_the_image_differs(image, tmp_path):
    short = tmp_path / "short"
    short.write_bytes(image.read_bytes()[:-1])
    assert first_difference(image, short) is not None
    assert first_difference(image, image) is None


# --- the runner


def test_lines_of_progress_arrive_as_they_come():
    heard = []
    status = run_program(["sh", "-c", r"printf 'a\rb\nc'; exit 3"], heard.append)
    assert (status, heard) == (3, ["a", "b", "c"])


def test_a_program_that_says_nothing_is_ended():
    with pytest.raises(DriveError, match="said nothing"):
        run_program(["sleep", "60"], lambda _: None, silence_seconds=0.3)


def test_a_listener_that_raises_ends_the_program(tmp_path):
    class StopError(Exception):
        pass

    def hear(_line):
        raise StopError

    marker = tmp_path / "alive"
    with contextlib.suppress(StopError):
        run_program(["sh", "-c", f"echo x; sleep 3; touch {marker}"], hear)
    assert not marker.exists()


def test_a_missing_program_is_said():
    with pytest.raises(DriveError, match="not installed"):
        run_program(["mkiso-no-such-program"], lambda _: None)
