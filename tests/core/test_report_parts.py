"""Parts of the report, from what the stages return."""

from pathlib import Path

from received import data_set, received

from mkiso.core.disc_content import Disc
from mkiso.core.model import (
    ExpectedInstance,
    FindResult,
    LeftOutSeries,
    RetrieveResult,
    Series,
    Study,
)
from mkiso.core.report_parts import disc_reports, study_reports


def series(uid, modality="CT", listed=(), count=None):
    instances = tuple(ExpectedInstance(each, uid, "1.2.3") for each in listed)
    return Series(uid, "1.2.3", modality, instances, count)


def found(*several):
    left_out = (LeftOutSeries("1.9", "1.2.3", "SR"),)
    return FindResult((Study("1.2.3", "A1", several),), left_out=left_out)


def test_before_the_archive_answered_there_is_nothing_to_say():
    assert study_reports(None, None) == {}


def test_what_arrived_is_counted_by_the_modality_of_its_series():
    listed = found(series("1.2.3.4", "CT", ("1.2.3.4.1", "1.2.3.4.2")), series("1.8", "MR", ("9",)))
    got = RetrieveResult(
        tuple(received(data_set(number=n)) for n in (1, 2)),
        missing=(ExpectedInstance("9", "1.8", "1.2.3"),),
    )
    parts = study_reports(listed, got)
    (study,) = parts["studies"]
    assert (study.study_instance_uid, study.accession_number) == ("1.2.3", "A1")
    assert (study.modalities, study.instances) == ({"CT": 2}, 2)
    assert parts["expected"] == 3
    assert [each.sop_instance_uid for each in parts["missing"]] == ["9"]
    assert [each.modality for each in parts["left_out"]] == ["SR"]


def test_a_failure_before_anything_arrived_still_says_what_was_listed():
    parts = study_reports(found(series("1.4", count=7)), None)
    assert (parts["expected"], parts["missing"], parts["studies"][0].instances) == (7, (), 0)


def test_what_nobody_counts_is_not_nothing():
    parts = study_reports(found(series("1.4", count=7), series("1.5")), None)
    assert parts["expected"] is None


def test_an_empty_series_is_counted():
    assert study_reports(found(series("1.4", count=0)), None)["expected"] == 0


def test_discs_are_reported_as_they_are():
    disc = Disc(Path("/x/a.iso"), Path("/x/a.json"), 5, "ab", "A1", 3, 2, 2, complete=False)
    (report,) = disc_reports([disc])
    assert (report.path, report.size_bytes, report.sha256) == ("/x/a.iso", 5, "ab")
    assert (report.number, report.of, report.complete, report.instances) == (2, 2, False, 3)
