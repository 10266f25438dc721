"""burn: a verified image onto media, read back and compared."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mkiso.core import burning
from mkiso.core.context import Progress
from mkiso.disc.burner import Run, first_difference, run_program
from mkiso.disc.presence import require_disc
from mkiso.errors import DriveError, UsageError, VerifyError


@dataclass(frozen=True, slots=True)
class BurnOrder:
    """What to burn where: `speed` as the drive counts it, None: as fast as it likes."""

    image: Path
    device: str
    speed: int | None = None
    eject: bool = False
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Patience:
    """How long somebody has to change the medium between two copies, and how often is looked."""

    medium_seconds: float = 600.0
    look_seconds: float = 5.0
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def run(
    order: BurnOrder,
    *,
    say: Callable[[str], None],
    progress: Callable[[Progress], None],
    require_running: Callable[[], None] = lambda: None,
    run_command: Run = run_program,
    patience: Patience | None = None,
) -> int:
    """Burn every copy and return how many there are; each one is compared with the image.

    Raises UsageError, DriveError, LimitError, PermissionDeniedError, and VerifyError for a medium
    that reads back otherwise.
    """
    burning.require_device(order.device)
    require_disc(order.image)
    require_image_file(order.image)
    burner = _Burner(order, say, progress, require_running, run_command, patience or Patience())
    for number in range(1, order.copies + 1):
        burner.burn(number)
    return order.copies


def require_image_file(path: Path) -> None:
    """Raise UsageError for a disc that is no image: the folder, the drive of another one."""
    if not path.is_file():
        raise UsageError(
            f"{path} is a {'folder' if path.is_dir() else 'device'}; an image is burned, as "
            "`mkiso make` writes it: give the .iso file."
        )


@dataclass(frozen=True, slots=True)
class _Burner:
    order: BurnOrder
    say: Callable[[str], None]
    progress: Callable[[Progress], None]
    require_running: Callable[[], None]
    run_command: Run
    patience: Patience

    def burn(self, number: int) -> None:
        """Burn one copy."""
        order = self.order
        size = order.image.stat().st_size
        state = self._medium(number)
        burning.require_space(state, size, order.device)
        self.say(f"Burning copy {number} of {order.copies} on {state.kind} in {order.device}.")

        def hear(line: str) -> None:
            self.require_running()
            share = burning.written_share(line)
            if share is not None:
                self._report("burn", int(share * size), size)

        image = str(order.image.resolve())
        self._command(
            burning.burn_arguments(image, order.device, speed=order.speed), hear, burning.BURNING
        )
        self._compare(size)
        if order.eject or number < order.copies:
            self._command(burning.eject_arguments(order.device), lambda _: None, "Ejecting")

    def _medium(self, number: int) -> burning.MediumState:
        """Return a blank medium's state; for a further copy wait until somebody put one in."""
        patience = self.patience
        deadline = patience.monotonic() + (patience.medium_seconds if number > 1 else 0.0)
        while True:
            self.require_running()
            try:
                state = self._probe()
                burning.require_blank(state, self.order.device)
            except DriveError:
                if patience.monotonic() >= deadline:
                    raise
                self.say(f"Put a blank medium for copy {number} into {self.order.device}.")
                patience.sleep(patience.look_seconds)
                continue
            return state

    def _probe(self) -> burning.MediumState:
        lines = self._command(
            burning.probe_arguments(self.order.device), lambda _: None, "Looking at the medium"
        )
        return burning.parse_probe(lines)

    def _command(
        self, command: tuple[str, ...], hear: Callable[[str], None], what: str
    ) -> list[str]:
        """Run a command and return its lines; raise what its failure means."""
        lines: list[str] = []

        def take(line: str) -> None:
            lines.append(line)
            hear(line)

        if self.run_command(command, take):
            raise burning.failure(lines, self.order.device, what)
        return lines

    def _compare(self, size: int) -> None:
        """Read the medium back."""
        medium = Path(burning.readable_path(self.order.device))

        def report(done: int, _total: int) -> None:
            self.require_running()
            self._report("verify", done, size)

        try:
            offset = first_difference(self.order.image, medium, report)
        except OSError as error:
            raise DriveError(
                f"The medium in {self.order.device} was burned and cannot be read back "
                f"({error.strerror}); throw it away."
            ) from error
        if offset is not None:
            raise VerifyError(
                f"The medium in {self.order.device} is not what was burned, from byte {offset} on; "
                "throw it away and try another one, or burn it slower with --speed."
            )

    def _report(self, stage: str, done: int, size: int) -> None:
        self.progress(Progress(stage, done, size, size_bytes=done))
