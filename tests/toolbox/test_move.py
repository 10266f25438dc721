import jsonschema
import pytest
from cli_schema import SCHEMA
from toolbox_lab import LIST, data_sets


@pytest.fixture
def pair(lab, tmp_path):
    """Two embedded archives: the first one knows the second one as BACKUP."""
    empty = tmp_path / "empty"
    empty.mkdir()
    backup = lab.archive("backup", folder=empty, ae_title="BACKUP")
    lab.nodes.clear()
    lab.archive("pacs", destinations={"BACKUP": ("127.0.0.1", backup.port)})
    lab.name("backup", backup.port, "BACKUP")
    return lab, empty


def test_a_study_moves_and_the_destination_has_it(pair):
    lab, empty = pair
    done = lab.run("move", "pacs", "--to", "BACKUP", "--accession", "A1", "--look-at", "backup")
    assert done.code == 0, done.err
    assert "sent 4 of 4 instances to BACKUP; 4 of them are there" in done.out
    assert len(data_sets(empty)) == 4


def test_the_report_has_the_archives_counts(pair):
    lab, _ = pair
    report = lab.run("move", "pacs", "--to", "BACKUP", "--study", "1.2.5", "--json").report
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    (moved,) = report["answer"]["moved"]
    assert (moved["status"], moved["completed"], moved["failed"]) == ("0000", 2, 0)
    assert "not looked at" in report["message"]


def test_only_the_series_asked_for_move(pair):
    lab, empty = pair
    assert (
        lab.run("move", "pacs", "--to", "BACKUP", "--study", "1.2.3", "--modality", "MR").code == 0
    )
    assert set(data_sets(empty)) == {"1.2.3.2.1"}


def test_an_unknown_destination_is_78_and_says_what_to_register(pair):
    lab, _ = pair
    done = lab.run("move", "pacs", "--to", "NOWHERE", "--accession", "A1")
    assert done.code == 78
    assert "A801H" in done.err
    assert "NOWHERE" in done.err


def test_a_destination_that_is_down_is_no_success(pair):
    lab, _ = pair
    done = lab.run("move", "pacs", "--to", "CDRECORD", "--accession", "A1")
    assert done.code in (75, 80), done.err
    assert "C-MOVE" in done.err


def test_a_list_moves_line_by_line(pair):
    lab, empty = pair
    (lab.folder / "list.csv").write_text(LIST, encoding="utf-8")
    done = lab.run("move", "pacs", "--to", "BACKUP", "--look-at", "backup", "--from", "list.csv",
                   "--json")  # fmt: skip
    assert done.code == 66
    assert [line["code"] for line in done.report["answer"]["lines"]] == [0, 66, 0]
    assert [line["instances"] for line in done.report["answer"]["lines"]] == [4, 0, 2]
    assert len(data_sets(empty)) == 6


@pytest.mark.peers
def test_two_orthancs_and_a_list_with_one_failing_patient(two_orthancs):
    """What a shell loop over findscu and movescu did, end to end."""
    lab = two_orthancs
    (lab.folder / "list.csv").write_text(LIST, encoding="utf-8")
    done = lab.run("move", "pacs", "--to", "RAWPACS", "--look-at", "raw", "--from", "list.csv",
                   "--json")  # fmt: skip
    assert done.code == 66, done.out
    lines = done.report["answer"]["lines"]
    assert [line["code"] for line in lines] == [0, 66, 0], lines
    assert [line["instances"] for line in lines] == [4, 0, 2]
    uids = set(lab.run("find", "raw", "--uids").out.split())
    assert uids == {"1.2.3", "1.2.5"}
    out = lab.folder / "out"
    done = lab.run("retrieve", "raw", "--study", "1.2.3", "--study", "1.2.5", "--method", "get",
                   "--output", out)  # fmt: skip
    assert done.code == 0, done.err
    originals = data_sets(lab.folder / "people")
    got = data_sets(out)
    assert len(got) == 6
    assert all(originals[uid] == content for uid, content in got.items())
