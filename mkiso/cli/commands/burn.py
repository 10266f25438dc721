"""`mkiso burn`: an image onto a medium, read back and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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

_HELP = """Burn a disc image with xorriso, read it back and compare it.

The image is judged first, as 'verify' does; a blank medium that is large enough must be in the
drive. For more copies the medium is to be changed in time. DEVICE is a drive such as /dev/sr0, or
a file as stdio:/path: its whole content is overwritten.
"""
EXAMPLES = ("mkiso burn A1.iso --device /dev/sr0 --eject",)


@click.command(
    "burn",
    cls=GroupedCommand,
    help=_HELP,
    epilog=exit_code_table((0, 64, 66, 74, 77, 83, 85, 86), EXAMPLES),
)
@click.argument("image", type=click.Path(path_type=Path))
@combine(
    option("--device", required=True, metavar="DEVICE", group="Drive", help="The drive."),
    option("--speed", type=click.IntRange(1, 100), metavar="N", group="Drive",
           help="As the drive counts it.  [default: as fast as the drive likes]"),
    option("--eject", is_flag=True, group="Drive", help="Open the tray at the end."),
    option("--copies", type=click.IntRange(1, 99), default=1, show_default=True, metavar="N",
           group="Drive", help="How many media."),
    json_option,
    progress_option,
)  # fmt: skip
@click.pass_obj
def command(session: Session, /, image: Path, **given: Any) -> Report:
    """Judge the image, burn it, and say how it went."""
    output = session.output
    output.configure(as_json=given["as_json"], progress=given["progress"])
    from mkiso.core.burning import require_device  # noqa: PLC0415 - start-up time
    from mkiso.errors import VerifyError  # noqa: PLC0415
    from mkiso.stages import burn  # noqa: PLC0415
    from mkiso.stages.verify import check_path  # noqa: PLC0415

    require_device(given["device"])
    if image.exists():  # else the judge says what there is not
        burn.require_image_file(image)
    result = check_path(image, output.progress)
    if not result.passed:
        raise VerifyError(
            f"{image} has {len(result.errors)} faults and is not burned; see 'mkiso verify'.",
            details=tuple(str(finding) for finding in result.errors[:20]),
        )
    order = burn.BurnOrder(
        image, given["device"], given["speed"], eject=given["eject"], copies=given["copies"]
    )
    copies = burn.run(
        order,
        say=output.say,
        progress=output.progress,
        require_running=session.stop.require_running,
    )
    media = "medium was" if copies == 1 else "media were"
    return Report(
        code=0,
        message=f"{image}: {copies} {media} burned in {order.device}, read back and equal.",
        command="burn",
    )
