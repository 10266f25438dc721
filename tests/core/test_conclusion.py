"""The sentence that a job ends with."""

from pathlib import Path

import pytest

from mkiso.core.conclusion import good_news, incomplete, stopped, unexpected
from mkiso.core.disc_content import Disc
from mkiso.core.model import ExpectedInstance, RetrieveResult, ShortSeries
from mkiso.errors import InterruptedJobError, TerminatedJobError


def disc(*, existed=False, instances=3):
    return Disc(Path("a.iso"), Path("a.json"), 1, "0", "A", instances, existed=existed)


MISSING = (ExpectedInstance("1.2.1", "1.2", "1"),)


@pytest.mark.parametrize(
    ("discs", "sentence"),
    [
        ([disc()], "1 disc image with 3 instances made and verified."),
        ([disc(), disc()], "2 disc images with 6 instances made and verified."),
        ([disc(existed=True)], "This very disc exists already, with 3 instances."),
        ([disc(existed=True), disc()], "2 disc images with 6 instances made and verified."),
    ],
)
def test_good_news(discs, sentence):
    assert good_news(discs) == sentence


def test_a_gap_says_how_large_it_is_and_where_it_is_named():
    error = incomplete(RetrieveResult((), MISSING), published=False)
    assert error.code == 80
    assert error.message.startswith("1 of 1 instances did not arrive; nothing was published. They")


def test_a_gap_of_counts_promises_no_names():
    short = (ShortSeries("1.2.1", "1.2", 2),)
    error = incomplete(RetrieveResult((), MISSING, short), published=True)
    assert error.message.startswith("3 of 3 instances did not arrive; an image that says so was")
    assert "named" not in error.message
    assert error.details == ("series 1.2.1: 2 missing",)


def test_a_gap_that_nobody_knows_offers_what_was_not_asked_for_alone():
    nothing_known = RetrieveResult(())
    assert "--allow-incomplete" in incomplete(nothing_known, published=False).message
    assert "--allow-incomplete" not in incomplete(nothing_known, published=True).message


@pytest.mark.parametrize("kind", [InterruptedJobError, TerminatedJobError])
def test_a_signal_after_the_disc_does_not_say_that_there_is_none(kind):
    error = kind("Stopped; nothing was published.")
    assert stopped(error, []) is error
    late = stopped(error, [disc()])
    assert type(late) is kind
    assert "nothing was published" not in late.message
    assert "is good" in late.message


def test_a_failing_disk_is_not_a_bug():
    assert unexpected(OSError(5, "Input/output error"), "/x.log").code == 74
    assert "Input/output error" in unexpected(OSError(5, "Input/output error"), "").message
    assert unexpected(ValueError("Doe^Jane"), "/x.log").code == 70
    assert "Jane" not in unexpected(ValueError("Doe^Jane"), "/x.log").message
    assert "/x.log" in unexpected(ValueError(), "/x.log").message
    assert "None" not in unexpected(ValueError(), "").message
