"""`mkiso verify`: the judge that `make` uses, for any disc."""

from __future__ import annotations

from pathlib import Path

import click

from mkiso.cli.options import (
    GroupedCommand,
    combine,
    exit_code_table,
    json_option,
    progress_option,
)
from mkiso.cli.session import Session
from mkiso.core.report import Report

_HELP = """Judge a disc: an ISO image, or the folder of a mounted or extracted one.

The same judge that 'make' uses: every file's hash, every reference and key of DICOMDIR, file names,
the image's structures. Findings are errors (83), warnings and notes.
"""


@click.command(
    "verify", cls=GroupedCommand, help=_HELP, epilog=exit_code_table((0, 65, 74, 77, 83))
)
@click.argument("path", type=click.Path(path_type=Path))
@combine(json_option, progress_option)
@click.pass_obj
def command(session: Session, /, path: Path, *, as_json: bool, progress: str) -> Report:
    """Judge the disc and return the findings."""
    session.output.configure(as_json=as_json, progress=progress)
    from mkiso.core.findings import ERROR, WARNING  # noqa: PLC0415 - start-up time
    from mkiso.errors import OK, DiskError, PermissionDeniedError, VerifyError  # noqa: PLC0415
    from mkiso.stages.verify import check_path  # noqa: PLC0415

    try:
        result = check_path(path, session.output.progress)
    except PermissionError as error:
        raise PermissionDeniedError(f"{path} may not be read by this user.") from error
    except OSError as error:
        raise DiskError(f"{path} cannot be read: {error.strerror}.") from error
    severities = [finding.severity for finding in result.findings]
    errors, warnings = severities.count(ERROR), severities.count(WARNING)
    counts = f"{len(result.instances)} instances, {errors} errors, {warnings} warnings"
    return Report(
        code=VerifyError.code if errors else OK,
        message=f"{path}: {'faulty' if errors else 'good'}, {counts}.",
        command="verify",
        received=len(result.instances),
        findings=result.findings,
    )
