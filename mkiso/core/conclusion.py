"""How a job ends, in one sentence for a person: what became of it, and what to do next."""

from __future__ import annotations

from collections.abc import Collection

from mkiso.core.disc_content import Disc
from mkiso.core.display_text import counted
from mkiso.core.model import FindResult, RetrieveResult
from mkiso.core.reconcile import unlisted_series
from mkiso.errors import (
    DiskError,
    IncompleteError,
    InternalError,
    InterruptedJobError,
    MkisoError,
)


def good_news(discs: Collection[Disc]) -> str:
    """Return the sentence of a success."""
    count = counted(sum(disc.instances for disc in discs), "instance")
    if all(disc.existed for disc in discs):
        return f"This very disc exists already, with {count}."
    return f"{counted(len(discs), 'disc image')} with {count} made and verified."


def incomplete(
    retrieved: RetrieveResult, found: FindResult | None = None, *, published: bool
) -> MkisoError:
    """Return the failure of a gap; `published`: an incomplete image was wanted and made.

    Its details are the series that fall short and cannot be named instance by instance.
    """
    what = "an image that says so was made" if published else "nothing was published"
    count = retrieved.missing_count
    if not count:
        hint = "" if published else " With --allow-incomplete a disc can be made all the same."
        return IncompleteError(
            "What the archive lists does not tell whether everything arrived, as the warnings say; "
            f"{what}.{hint}",
            details=_uncertain(found) if found else (),
        )
    advice = "Ask again later, or look at the archive's log."
    if not retrieved.unnamed_missing:
        advice = "They are named in the report; ask again later, or look at the archive's log."
    return IncompleteError(
        f"{count} of {count + len(retrieved.instances)} instances did not arrive; {what}. {advice}",
        details=tuple(
            f"series {short.series_instance_uid}: {short.missing} missing"
            for short in retrieved.short_series
        ),
    )


def _uncertain(found: FindResult) -> tuple[str, ...]:
    """Name the series that nobody can count, or the studies where the list itself is uncertain."""
    series = tuple(
        f"series {each.series_instance_uid}: neither listed nor counted"
        for each in unlisted_series(found)
        if each.number_of_instances is None
    )
    return series or tuple(f"study {study.study_instance_uid}" for study in found.studies)


def stopped(error: MkisoError, discs: Collection[Disc]) -> MkisoError:
    """Return the failure that a signal is, after the discs that it came too late for."""
    if not discs:
        return error
    what = "Interrupted" if isinstance(error, InterruptedJobError) else "Terminated"
    return type(error)(
        f"{what} when the disc was finished already: it is good, and named in the report; run the "
        "same command again for the rest."
    )


def unexpected(error: Exception, log: str) -> MkisoError:
    """Return the failure of what no stage expects: a disk or folder that fails, or a bug."""
    where = f"its log has the details: {log}" if log else "there is no log of it."
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return DiskError(f"A file or folder failed ({reason}); {where}")
    return InternalError(f"An error inside mkiso ended the job; {where}")
