"""Import a disc of others: read its directory, compare it with the files, send them on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mkiso.core.audit_transfers import Transfer, Way
from mkiso.core.context import Progress
from mkiso.core.disc_content import CheckResult
from mkiso.core.disc_import import Reconciliation, reconcile_disc
from mkiso.disc.foreign_directory import find_directory, foreign_references
from mkiso.disc.presence import said_of
from mkiso.errors import AmbiguousError, DataError, IncompleteError, MkisoError
from mkiso.stages.verify import check_path
from mkiso.toolbox.sending import Sending, Sent, send_all
from mkiso.toolbox.world import World

#: What the judge says of a disc with objects of two patients.
_SEVERAL = "disc.several-patients"


@dataclass(frozen=True, slots=True)
class Imported:
    """What a disc held and what became of it; `error` is None when all of it is at the node."""

    result: CheckResult
    reconciliation: Reconciliation
    sent: Sent
    error: MkisoError | None = None


def import_disc(
    path: Path, sending: Sending, world: World, *, several_patients: bool = False
) -> Imported:
    """Judge the disc at `path`, reconcile its directory with its files, and send the files.

    Raises NotFoundError and DataError when there is nothing to import, AmbiguousError for objects
    of several patients, and what the node raises; what is lacking is in the result.
    """

    def progress(now: Progress) -> None:
        world.require_running()
        world.progress(now)

    result = check_path(path, progress)
    if not result.instances:
        raise DataError(f"There is no readable DICOM file at {path}.")
    transfer = Transfer(Way.IMPORTED, failed=len(result.instances))
    world.transfers.append(transfer)
    if not several_patients and any(finding.id == _SEVERAL for finding in result.findings):
        raise AmbiguousError(
            f"{path} holds objects of several patients; nothing was sent. Look at it, and give "
            "--several-patients when that is right."
        )
    reconciliation = _reconciled(path, result, world)
    for sentence in reconciliation.sentences:
        world.warn(sentence)
    try:
        sent = send_all(sending, world)
    finally:
        for each in world.transfers:
            if each.way is Way.SENT:  # what was read is what was to be sent
                transfer.studies = each.studies
                transfer.taken, transfer.failed = each.taken, each.failed
    error = sent.error
    if error is None and (reconciliation.missing or reconciliation.unsafe):
        lacking = len(reconciliation.missing) + reconciliation.unsafe
        error = IncompleteError(
            f"{sending.node.name} took {sent.taken + sent.taken_before} instances; "
            f"{lacking} that the disc's directory names could not be read from it.",
            details=reconciliation.missing_uids[:50],
        )
    return Imported(result, reconciliation, sent, error)


def _reconciled(path: Path, result: CheckResult, world: World) -> Reconciliation:
    """Return what the directory names against the DICOM files of the disc."""
    dicom = [instance.path for instance in result.instances]
    with said_of(path):
        found = find_directory(path)
    if found is None:
        world.warn("The disc has no DICOMDIR: every DICOM file on it is sent.")
        return Reconciliation((), (), ())
    folder, content = found
    references = foreign_references(content)
    if references is None:
        world.warn("The disc's DICOMDIR cannot be read: every DICOM file on it is sent.")
        return Reconciliation((), (), ())
    if folder:
        world.warn(f"The DICOMDIR is not in the root of the disc but in {folder}.")
    return reconcile_disc(references, dicom, folder)
