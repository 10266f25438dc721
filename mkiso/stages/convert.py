"""convert: instances into the transfer syntaxes of the application profile that is asked for.

Only with `--profile`; everything is checked without loss, and what cannot be converted is kept
as it came (PS3.11; PS3.5 8.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mkiso.core.context import Context, Progress
from mkiso.core.conversion_plan import Conversion, conversion_sentences, plan_step
from mkiso.core.icon_rules import Icon
from mkiso.core.media_profiles import Profile
from mkiso.core.model import ReceivedInstance
from mkiso.errors import DiskError
from mkiso.pixels.conversion_jobs import convert_instances
from mkiso.pixels.icon_jobs import make_icons


def run(
    instances: Sequence[ReceivedInstance],
    profile: Profile,
    folder: Path,
    context: Context,
    *,
    compress: bool = False,
) -> tuple[tuple[ReceivedInstance, ...], tuple[Conversion, ...]]:
    """Return the instances as they go on the disc, and what became of those that had to change.

    New files go into the new `folder`. Raises DiskError, and what stops the job.
    """

    def tick(done: int, total: int) -> None:
        context.require_time()
        context.progress(Progress("convert", done, total))

    context.require_time()
    folder.mkdir(mode=0o700)
    steps = [
        (
            instance,
            plan_step(
                instance.transfer_syntax_uid,
                instance.header.record_type,
                profile,
                compress=compress,
            ),
        )
        for instance in instances
    ]
    try:
        results = list(convert_instances(steps, folder, tick))
    except OSError as error:
        raise DiskError(
            f"The instances could not be converted ({error.strerror}); check the output disk."
        ) from error
    conversions = tuple(conversion for _, conversion in results if conversion)
    for conversion in conversions:
        context.log(
            f"convert: {conversion.sop_instance_uid} {conversion.source} -> {conversion.target}"
            f"{' kept: ' if conversion.problem else ''}{conversion.problem}"
        )
    for sentence in conversion_sentences(c for c in conversions if c.problem):
        context.warn(sentence)
    return tuple(instance for instance, _ in results), conversions


def warn_of_no_effect(profile: Profile | None, context: Context) -> None:
    """Say it when images were to be compressed and the profile has no syntax for that."""
    if context.job.compress and not (profile and profile.lossless):
        why = f"{profile.name} allows no compression" if profile else "no --profile is asked for"
        context.warn(f"--compress has no effect: {why}.")


def make_pictures(
    instances: Sequence[ReceivedInstance], folder: Path, context: Context
) -> dict[str, Icon]:
    """Return the icons of all images for DICOMDIR of discs without viewer (PS3.3 F.7).

    Workers use the new `folder`. Raises DiskError, and what stops the job.
    """
    context.require_time()
    folder.mkdir(mode=0o700)
    try:
        icons = make_icons(instances, folder, context.require_time)
    except OSError as error:
        raise DiskError(
            f"The icons could not be made ({error.strerror}); check the output disk."
        ) from error
    context.log(f"icons: {len(icons)} of {len(instances)} instances")
    return icons
