"""Received instances become plans of discs."""

import dataclasses
import hashlib

import pytest
from received import data_set, received

from mkiso.core.context import Context
from mkiso.core.job import Job, Node
from mkiso.core.model import ExpectedInstance, FindResult, RetrieveResult, ShortSeries, Study
from mkiso.errors import AmbiguousError, IdentityError, TerminatedJobError
from mkiso.stages import author

OTHER = {"StudyInstanceUID": "1.2.9", "SeriesInstanceUID": "1.2.9.1"}


class Authoring:
    """A context that remembers what it was warned of."""

    def __init__(self, **job):
        self.warned, self.stopped = [], None
        self.job = Job("test", ("A1",), Node("abpacs", "ABPACS", "127.0.0.1", 11112), **job)

    def require_running(self):
        if self.stopped:
            raise self.stopped

    def run(self, *instances, studies=None, **more):
        numbers = studies or {"1.2.3": "A1", "1.2.9": "B1"}
        found = FindResult(tuple(Study(uid, number) for uid, number in numbers.items()))
        found = dataclasses.replace(found, count_verified=more.pop("count_verified", True))
        context = Context(
            job=self.job,
            deadline=1e9,
            monotonic=lambda: 0.0,
            log=lambda _: None,
            warn=self.warned.append,
            say=lambda _: None,
            progress=lambda _: None,
            require_running=self.require_running,
        )
        got = RetrieveResult(tuple(instances), **more)
        return author.run(author.Acquired(found, got, "2026-01-31"), context)


def instance(number=1, **more):
    return received(data_set(number=number, SOPInstanceUID=f"1.2.3.4.{number}", **more))


def test_a_plan_is_whole_before_anything_is_written():
    (plan,) = Authoring().run(instance(1), instance(2))
    paths = [file.path for file in plan.files]
    assert paths[:4] == ["DICOMDIR", "INDEX.HTM", "README.TXT", "SHA256.TXT"]
    assert paths[4:] == [
        "DICOM/PT000000/ST000000/SE000000/IM000000",
        "DICOM/PT000000/ST000000/SE000000/IM000001",
    ]
    assert (plan.file_set_id, plan.volume_id, plan.complete) == ("A1", "A1", True)
    for file in plan.files[:4]:
        assert hashlib.sha256(file.content).hexdigest() == file.sha256
        assert len(file.content) == file.size_bytes
    for file, item in zip(plan.files[4:], plan.instances, strict=True):
        assert (file.source, file.sha256) == (item.instance.path, item.instance.sha256)


def test_the_checksums_are_those_of_all_other_files():
    (plan,) = Authoring().run(instance(1))
    listed = dict(line.split()[::-1] for line in plan.files[3].content.decode().splitlines())
    wanted = {file.path: file.sha256 for file in plan.files if file.path != "SHA256.TXT"}
    assert {path.lstrip("*./"): sha256 for path, sha256 in listed.items()} == wanted


def test_the_plan_does_not_depend_on_the_order_of_arrival():
    several = [instance(1), instance(2), instance(3, **OTHER)]
    one, other = Authoring().run(*several), Authoring().run(*reversed(several))
    assert one == other


def test_no_instance_is_no_disc():
    assert Authoring().run() == ()


@pytest.mark.parametrize(
    ("number", "file_set_id"),
    [
        ("A1", "A1"),
        ("2018:123/a", "2018_123_A"),
        ("1234567890123456", "1234567890123456"),
        ("한국어", "___"),
        (" ", "MKISO"),
        ("", "MKISO"),
    ],
)
def test_the_file_set_is_named_by_the_accession_number(number, file_set_id):
    (plan,) = Authoring().run(instance(1), studies={"1.2.3": number})
    assert plan.file_set_id == file_set_id


def test_several_patients_have_several_discs_with_numbers():
    bob = instance(3, PatientID="P2", PatientName="Roe^Bob", **OTHER)
    plans = Authoring(per_patient=True).run(
        bob, instance(1), studies={"1.2.3": "1234567890123456", "1.2.9": "B1"}
    )
    assert [plan.file_set_id for plan in plans] == ["12345678901234_1", "B1_2"]
    assert [(plan.number, plan.of) for plan in plans] == [(1, 2), (2, 2)]
    assert [len(plan.instances) for plan in plans] == [1, 1]
    for plan, name in zip(plans, ("Doe", "Roe"), strict=True):
        pages = b"".join(file.content for file in plan.files[:4])
        assert name.encode() in pages
        assert (b"Roe" if name == "Doe" else b"Doe") not in pages
    with pytest.raises(AmbiguousError):
        Authoring().run(bob, instance(1))


def test_two_patients_in_one_study_are_81_whatever_was_asked():
    with pytest.raises(IdentityError):
        Authoring(per_patient=True, same_patient=True).run(instance(1), instance(2, PatientID="P2"))


MISSING = ExpectedInstance("1.2.3.4.9", "1.2.3.4", "1.2.3")
LOST_STUDY = ExpectedInstance("1.2.9.1.1", "1.2.9.1", "1.2.9")


SHORT = (ShortSeries("1.2.3.4", "1.2.3", 2),)
LOST_SERIES = ShortSeries("1.2.9.1", "1.2.9", 1)


def test_what_is_missing_is_named_on_the_disc():
    (plan,) = Authoring().run(instance(1), missing=(MISSING, LOST_STUDY))
    assert not plan.complete
    assert plan.missing == (MISSING, LOST_STUDY)
    page = plan.files[1].content
    assert b"1.2.3.4.9" in page
    assert b"1.2.9.1.1" in page


def test_a_study_that_may_be_another_patient_s_is_named_on_no_disc():
    (plan,) = Authoring(per_patient=True).run(instance(1), missing=(MISSING, LOST_STUDY))
    assert not plan.complete
    assert plan.missing == (MISSING,)
    assert b"1.2.9.1" not in plan.files[1].content


@pytest.mark.parametrize("gap", [{"short_series": SHORT}, {"count_verified": False}])
def test_a_gap_without_names_makes_the_disc_incomplete_too(gap):
    (plan,) = Authoring().run(instance(1), **gap)
    assert not plan.complete


def test_what_the_archive_only_counts_is_on_the_page_and_in_the_plan():
    (plan,) = Authoring().run(instance(1), short_series=SHORT)
    assert plan.short_series == SHORT
    assert b"2 of series 1.2.3.4, which the archive counts" in plan.files[1].content
    (plan,) = Authoring(per_patient=True).run(instance(1), short_series=(LOST_SERIES,))
    assert plan.short_series == ()
    assert b"1.2.9.1" not in plan.files[1].content


def test_what_could_not_be_compared_and_what_was_filled_is_a_warning():
    authoring = Authoring()
    authoring.run(instance(1), instance(2, PatientBirthDate=None, StudyID=None))
    assert any("birth date is missing" in sentence for sentence in authoring.warned)
    assert len(authoring.warned) == len(set(authoring.warned))
    assert not any("Doe" in sentence or "P1" in sentence for sentence in authoring.warned)


def test_a_stopped_job_plans_nothing():
    authoring = Authoring()
    authoring.stopped = TerminatedJobError("Terminated.")
    with pytest.raises(TerminatedJobError):
        authoring.run(instance(1))
