"""The answer to one question of `echo` and `doctor`: a sentence, and the code it would end with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mkiso.core.findings import ERROR, NOTE, WARNING, Finding
from mkiso.errors import MkisoError


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `code` is 0 unless a disc could not be made like this; `details` follow it."""

    finding: Finding
    code: int = 0
    details: tuple[str, ...] = ()


def good(question: str, sentence: str) -> Answer:
    """Return the answer that all is well."""
    return Answer(Finding(NOTE, question, sentence))


def doubtful(question: str, sentence: str) -> Answer:
    """Return the answer that a disc can be made, but somebody should look."""
    return Answer(Finding(WARNING, question, sentence))


def bad(question: str, error: MkisoError, advice: str = "") -> Answer:
    """Return the answer that no disc can be made, as `error` says; `advice` is what to change."""
    sentence = f"{error.message} {advice}".rstrip()
    return Answer(Finding(ERROR, question, sentence), error.code, error.details)


def first_code(answers: Iterable[Answer]) -> int:
    """Return the code of the first bad answer, which is often the cause of the others; else 0."""
    return next((answer.code for answer in answers if answer.code), 0)
