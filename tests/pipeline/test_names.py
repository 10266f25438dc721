"""Whole jobs whose disc cannot have its name: known before anything is moved, where it can be."""

import json

import pytest
from whole_jobs import instance, save


@pytest.fixture
def made(lab, archive):
    """The disc of A1 is there, and the archive has forgotten that it sent something."""
    result = lab.make()
    assert result.code == 0, result.report
    archive.moves.clear()
    return result


def refused(lab, archive, **options):
    result = lab.make(check=False, **options)
    assert result.code == 73, result.report
    assert "--replace" in result.message
    assert result.report["discs"] == []
    return archive.moves


@pytest.mark.fault("F58")
def test_a_foreign_file_at_the_name_is_73_before_the_transfer(lab, archive):
    lab.output.mkdir()
    (lab.output / "A1.iso").write_bytes(b"not ours")
    assert refused(lab, archive) == []
    assert (lab.output / "A1.iso").read_bytes() == b"not ours"


def test_a_disc_of_other_instances_is_73_before_the_transfer(lab, archive, made):
    save(lab.images, "5", instance(number=5))
    lab.restart()
    assert refused(lab, lab.archive) == []


def test_a_disc_of_other_options_is_73_before_the_transfer(lab, archive, made):
    assert refused(lab, archive, modalities=("CT",)) == []


@pytest.mark.fault("F58")
def test_a_disc_with_other_bytes_is_73_after_the_transfer(lab, archive, made):
    """The archive lists the same instances; that one has changed is only known when it is here."""
    save(lab.images, "1.2.3.1/1", instance(number=1, BodyPartExamined="HEAD"))
    lab.restart()
    assert len(refused(lab, lab.archive)) == 1


@pytest.mark.fault("F58")
def test_the_same_disc_is_still_the_same(lab, archive, made):
    again = lab.make()
    assert again.code == 0
    assert "exists already" in again.message


def test_replace_and_allow_incomplete_do_not_ask_for_the_name_beforehand(lab, archive, made):
    save(lab.images, "5", instance(number=5))
    lab.restart()
    lab.archive.on_move = lambda move: move.normally(drop={"1.2.3.1.5"})
    incomplete = lab.make(allow_incomplete=True)
    assert incomplete.code == 80
    assert [disc.name for disc in incomplete.discs] == ["A1.INCOMPLETE.iso", "A1.iso"]
    lab.archive.on_move = None
    replaced = lab.make(replace=True)
    assert replaced.code == 0
    sidecar = json.loads((lab.output / "A1.json").read_text())
    assert len(sidecar["instances"]) == 5
