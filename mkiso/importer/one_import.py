"""One patient's folder: corrected copies, checks, sending, a disc, the archive; in that order."""

from __future__ import annotations

import contextlib
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mkiso.core.display_text import counted
from mkiso.core.folder_names import FolderIdentity
from mkiso.core.model import ReceivedInstance
from mkiso.core.record_keys import ACCESSION_NUMBER
from mkiso.core.report import DiscReport, ForwardReport
from mkiso.core.text import decode
from mkiso.errors import (
    DataError,
    DiskError,
    ForwardError,
    IdentityError,
    MkisoError,
    TemporaryError,
)
from mkiso.importer.delivering import deliver
from mkiso.importer.outcome import ImportOutcome, good_news, not_delivered
from mkiso.importer.preparing import Prepared, prepare, reasons, require_one_patient
from mkiso.importer.rejecting import reject_files, reject_folder
from mkiso.importer.settings import ImportSettings
from mkiso.storage.folder_state import entries, signature
from mkiso.storage.import_ledger import ImportLedger
from mkiso.storage.moving import free_place, move
from mkiso.toolbox.world import World

#: Nothing was found wrong, but the folder is not what it was: it has to settle anew.
CHANGED = "It changed while it was read; it is imported when nobody has touched it for a while."


class ChangedError(TemporaryError):
    """Somebody added to the folder, or took from it, while it was imported."""


@dataclass(slots=True)
class OneImport:
    """One attempt at one entry of the watched folder."""

    job_id: str
    name: str  # the patient's: for the file system alone
    settings: ImportSettings
    ledger: ImportLedger
    world: World
    make_disc_id: Callable[[], str]
    now: Callable[[], float] = time.time
    _prepared: Prepared = field(default_factory=Prepared)
    _forwarded: tuple[ForwardReport, ...] = ()
    _discs: tuple[DiscReport, ...] = ()
    _rejected_to: str = ""

    def run(self) -> ImportOutcome:
        """Import the folder as far as it goes; expected failures are in the outcome.

        Raises what `world.require_running` raises.
        """
        places = self.settings.places
        try:
            identity = self._identity()
            self._prepare(identity)
        except (DataError, IdentityError) as error:
            return self._reject_all(error)
        except MkisoError as error:
            places.drop_copies(self.job_id)  # they may be what fills the disk
            self.world.require_running()
            return self._ended(error, is_open=True)
        try:
            self._deliver()
            stamp = self._archive()
        except MkisoError as error:
            self.world.require_running()
            return self._ended(error, is_open=True)
        finally:
            places.drop_copies(self.job_id)
        return self._good_end(stamp)

    @property
    def _source(self) -> Path:
        return self.settings.places.root / self.name

    def _identity(self) -> FolderIdentity:
        if self._source.is_symlink() or not self._source.is_dir():
            raise DataError("It is not a folder; put files into a folder that names the patient.")
        return self.settings.names.identity(self.name)

    def _prepare(self, identity: FolderIdentity) -> None:
        """Make the copies and judge them; what is rejected of the folder goes.

        Raises DataError or IdentityError when the whole folder has to be rejected.
        """
        log = self.world.log
        self._prepared = prepared = self._copied(identity)
        log(f"{counted(len(prepared.instances), 'instance')} to send")
        if prepared.twice:
            log(f"{counted(prepared.twice, 'file')} with an instance that is there already")
        if prepared.guessed:
            log(
                f"{counted(prepared.guessed, 'text')} in another character set than stated: "
                "taken for UTF-8, or for Latin-1"
            )
        self._require_unchanged(self._source)
        if not prepared.instances:
            raise DataError("\n".join(["There is nothing in it to send.", *self._listed()]))
        require_one_patient(prepared, identity)
        if prepared.rejected:
            self._reject_some()

    def _copied(self, identity: FolderIdentity) -> Prepared:
        """Return the copies. Raises DataError for a folder that cannot be read."""
        try:
            return prepare(
                self._source,
                identity,
                self.settings.places.copies(self.job_id),
                issuer=self.settings.issuer,
                require_running=self.world.require_running,
            )
        except FileNotFoundError as error:
            raise ChangedError(CHANGED) from error
        except OSError as error:
            raise DataError(f"The folder cannot be read: {error.strerror}.") from error

    def _reject_some(self) -> None:
        prepared = self._prepared
        for line in reasons(prepared):
            self.world.log(f"rejected: {line}")
        place = reject_files(
            self._source, self.settings.places.rejected, prepared.rejected, self.now()
        )
        self._rejected_to = str(place)
        for relative in prepared.rejected:
            prepared.signatures.pop(relative, None)

    def _listed(self) -> list[str]:
        """Return what was rejected, file by file, for a reason file: it lies beside the files."""
        return [f"{path}: {reason}" for path, reason in sorted(self._prepared.rejected.items())]

    def _require_unchanged(self, folder: Path) -> None:
        """Raise ChangedError unless the folder holds exactly the files that were read."""
        try:
            found = {
                relative: signature(state)
                for relative, state in entries(folder)
                if not stat.S_ISDIR(state.st_mode)
            }
        except OSError as error:
            raise ChangedError(CHANGED) from error
        if found != self._prepared.signatures:
            raise ChangedError(CHANGED)

    def _deliver(self) -> None:
        """Send, and make the disc. Raises ForwardError, or what kept the disc from being made."""
        instances = self._prepared.instances
        self._forwarded = deliver(
            self.job_id, instances, self.settings.destinations, self.ledger, self.world
        )
        lacking = not_delivered(self._forwarded)
        if lacking:
            raise ForwardError(lacking)
        if self.settings.disc is None:
            return
        from mkiso.importer.disc import make_disc  # noqa: PLC0415 - the whole pipeline

        copies = self.settings.places.work / self.job_id / "copies"
        report = make_disc(self.settings.disc, self.make_disc_id, copies, instances, self.world)
        if report.code:
            self.world.require_running()
            raise ForwardError(f"There is no disc: {report.message}")
        self._discs = report.discs

    def _archive(self) -> str:
        """Move the folder to the archive; return the folder of that second.

        It is taken out of everybody's reach first: what came in the last moment must not go into
        the archive unsent. Raises ChangedError or DiskError with everything at its place.
        """
        places = self.settings.places
        self._require_unchanged(self._source)
        target = free_place(places.archive, self.name, self.now())
        leaving = places.leaving(self.job_id, self.name)
        places.note_target(self.job_id, leaving, target)
        move(self._source, leaving)
        try:
            self._require_unchanged(leaving)
            move(leaving, target)
        except MkisoError:
            places.put_back()
            with contextlib.suppress(OSError):  # not empty when another one went there
                target.parent.rmdir()
            raise
        places.put_back()  # removes the empty place
        return str(target.parent)

    def _reject_all(self, error: MkisoError) -> ImportOutcome:
        """Move the whole folder to the rejected ones."""
        places = self.settings.places
        places.drop_copies(self.job_id)
        try:
            place = reject_folder(self._source, places.rejected, error.message, self.now())
        except (MkisoError, OSError) as failure:
            told = failure if isinstance(failure, MkisoError) else _unmovable(failure)
            return self._ended(told, is_open=True)
        self._rejected_to = str(place)
        return self._ended(error, is_open=False)

    def _good_end(self, stamp: str) -> ImportOutcome:
        prepared = self._prepared
        message = good_news(
            len(prepared.instances), self._forwarded, len(self._discs), len(prepared.rejected),
            stamp,
        )  # fmt: skip
        code = DataError.code if prepared.rejected else 0
        return self._outcome(code, message, is_open=False, archived=stamp)

    def _ended(self, error: MkisoError, *, is_open: bool) -> ImportOutcome:
        first, *_ = error.message.splitlines()
        message = first if is_open else f"Rejected: {first} It is in {self._rejected_to}."
        return self._outcome(error.code, message, is_open=is_open)

    def _outcome(
        self, code: int, message: str, *, is_open: bool, archived: str = ""
    ) -> ImportOutcome:
        prepared = self._prepared
        whole = not archived and not is_open
        return ImportOutcome(
            self.job_id,
            code,
            message,
            is_open=is_open,
            accession_numbers=tuple(
                dict.fromkeys(
                    number for i in prepared.instances if (number := _accession_number(i))
                )
            ),
            instances=len(prepared.instances),
            rejected=len(prepared.rejected) or int(whole),
            reasons=tuple(reasons(prepared)),
            forwarded=self._forwarded,
            discs=self._discs,
            archived=archived,
            rejected_to=self._rejected_to,
            log=self.world.log_path,
        )


def _accession_number(instance: ReceivedInstance) -> str:
    raw = dict(instance.header.study).get(ACCESSION_NUMBER, b"")
    return decode(raw, instance.header.character_set).strip()


def _unmovable(error: OSError) -> MkisoError:
    return DiskError(f"It cannot be moved to the rejected ones: {error.strerror}.")
