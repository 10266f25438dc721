"""`mkiso verify`: the judge that `make` uses, for any disc."""

from __future__ import annotations

from pathlib import Path

import click

from mkiso.cli.options import (
    GroupedCommand,
    combine,
    exit_code_table,
    json_option,
    option,
    progress_option,
)
from mkiso.cli.session import Session
from mkiso.core.report import Report

_HELP = """Judge a disc: an ISO image, or the folder of a mounted or extracted one.

The same judge that 'make' uses: every file's hash, every reference and key of DICOMDIR, file names,
the image's structures, the rules of IHE PDI. Findings are errors (83), warnings and notes; the
last notes are the IHE media tests and the application profiles (PS3.11) that the disc meets.
"""
EXAMPLES = ("mkiso verify disc.iso",)

profile_option = option(
    "--profile", default="", metavar="NAME", group="Output",
    help="Application profile that the disc must meet, such as STD-GEN-CD.",
)  # fmt: skip


@click.command(
    "verify",
    cls=GroupedCommand,
    help=_HELP,
    epilog=exit_code_table((0, 64, 66, 74, 77, 83), EXAMPLES),
)
@click.argument("path", type=click.Path(path_type=Path))
@combine(profile_option, json_option, progress_option)
@click.pass_obj
def command(
    session: Session, /, path: Path, *, profile: str, as_json: bool, progress: str
) -> Report:
    """Judge the disc and return the findings."""
    session.output.configure(as_json=as_json, progress=progress)
    from mkiso.core.display_text import counted  # noqa: PLC0415 - start-up time
    from mkiso.core.findings import ERROR, WARNING  # noqa: PLC0415
    from mkiso.core.media_profiles import require_profile  # noqa: PLC0415
    from mkiso.core.media_tests import summary  # noqa: PLC0415
    from mkiso.errors import OK, VerifyError  # noqa: PLC0415
    from mkiso.stages.verify import check_path  # noqa: PLC0415

    wanted = require_profile(profile)
    result = check_path(path, session.output.progress, profile=wanted.name if wanted else "")
    severities = [finding.severity for finding in result.findings]
    errors, warnings = severities.count(ERROR), severities.count(WARNING)
    counts = ", ".join(
        (
            counted(len(result.instances), "instance"),
            counted(errors, "error"),
            counted(warnings, "warning"),
        )
    )
    return Report(
        code=VerifyError.code if errors else OK,
        message=f"{path}: {'faulty' if errors else 'good'}, {counts}.",
        command="verify",
        received=len(result.instances),
        findings=(*result.findings, *summary(result.findings, result.profiles)),
    )
