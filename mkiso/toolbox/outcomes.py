"""Several outcomes as one exit code and one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from mkiso.core.model import FindResult
from mkiso.core.study_list import Selection
from mkiso.errors import BATCH_PARTIAL, IdentityError, MkisoError, VerifyError

#: Whatever else went wrong, a person must hear of these.
_GRAVEST = (IdentityError.code, VerifyError.code)


class Result(Protocol):
    """What became of one selection."""

    @property
    def selection(self) -> Selection:
        """What was asked for."""

    @property
    def found(self) -> FindResult | None:
        """What the archive lists for it."""

    @property
    def error(self) -> MkisoError | None:
        """Why it failed, None when it did not."""

    @property
    def instances(self) -> int:
        """How many instances it brought."""


def joined(errors: Sequence[MkisoError | None]) -> tuple[int, str, tuple[str, ...]]:
    """Return code, sentence and details of several outcomes; ("" and 0 when all are well).

    One kind of failure keeps its code, several are 10; 81 and 83 win over all.
    """
    failed = [error for error in errors if error is not None]
    if not failed:
        return 0, "", ()
    if len(errors) == 1:
        return failed[0].code, failed[0].message, failed[0].details
    codes = {error.code for error in failed}
    grave = [code for code in _GRAVEST if code in codes]
    code = grave[0] if grave else failed[0].code
    if not grave and len(codes) > 1:
        code = BATCH_PARTIAL
    message = f"{len(failed)} of {len(errors)} selections failed; each says why."
    return code, message, tuple(detail for error in failed for detail in error.details)


def line_results(outcomes: Iterable[Result]) -> list[dict[str, Any]]:
    """Return what became of each line of a list, without the line's values."""
    return [
        {
            "line": outcome.selection.line,
            "code": outcome.error.code if outcome.error else 0,
            "message": outcome.error.message if outcome.error else "Done.",
            "studies": [
                study.study_instance_uid for study in outcome.found.studies
            ] if outcome.found else [],
            "instances": outcome.instances,
        }
        for outcome in outcomes
    ]  # fmt: skip
