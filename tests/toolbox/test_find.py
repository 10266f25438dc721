import csv
import io

import jsonschema
import pytest
from cli_schema import SCHEMA
from toolbox_lab import make_people
from whole_jobs import instance, save

from mkiso.core.listing import display_width


def rows_of(done):
    return list(csv.DictReader(io.StringIO(done.out)))


def test_the_table_shows_each_study_on_a_line_with_its_counts(lab):
    lab.archive()
    done = lab.run("find", "pacs")
    assert done.code == 0
    head, rule, *lines = done.out.splitlines()
    assert head.split() == ["Name", "ID", "Date", "Accession", "Description", "Modalities",
                            "Series", "Instances"]  # fmt: skip
    assert set(rule) == {"-", " "}
    assert len(lines) == 3
    jane = next(line for line in lines if "2026-01-31" in line and "P1" in line)
    assert 'Doe, "JD", Jane' in jane
    assert "CT, MR" in jane
    assert jane.split()[-2:] == ["2", "4"]
    assert "3 studies at pacs." in done.err


def test_wide_characters_keep_the_columns_straight(lab):
    lab.archive()
    lines = lab.run("find", "pacs").out.splitlines()
    han = next(line for line in lines if "山田" in line)
    start = lines[0].index("ID ")
    assert display_width(han[: han.index("P,2")]) == start


def test_csv_survives_commas_and_quotes_in_names(lab):
    lab.archive()
    rows = rows_of(lab.run("find", "pacs", "--csv"))
    assert {row["PatientName"] for row in rows} == {'Doe, "JD"^Jane', "Yamada^Tarou=山田^太郎"}
    assert {row["PatientID"] for row in rows} == {"P1", "P,2"}


def test_csv_holds_no_formula(lab, tmp_path):
    save(tmp_path / "evil", "1", instance(PatientName="=cmd|' /C calc'!A0", StudyDescription="@x"))
    lab.archive(folder=tmp_path / "evil")
    (row,) = rows_of(lab.run("find", "pacs", "--csv"))
    assert row["PatientName"].startswith("'=")
    assert row["StudyDescription"] == "'@x"


def test_an_id_with_an_end_of_line_is_still_one_line(lab, tmp_path):
    save(tmp_path / "evil", "1", instance(PatientID="P1\n1.2.3\x1b[2J"))
    lab.archive(folder=tmp_path / "evil")
    for option in ("--uids", "--csv"):
        done = lab.run("find", "pacs", "--level", "patient", option)
        assert "P1 1.2.3 [2J" in done.out.splitlines()[-1]
    assert "\x1b" not in lab.run("find", "pacs").out


def test_json_is_one_report_with_the_matches(lab):
    lab.archive()
    report = lab.run("find", "pacs", "--accession", "A2", "--json").report
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    (match,) = report["answer"]["matches"]
    assert match["StudyInstanceUID"] == "1.2.4"
    assert match["StudyDate"] == "20260215"


@pytest.mark.parametrize(
    ("options", "uids"),
    [
        (["--patient-id", "P1"], {"1.2.3", "1.2.4"}),
        (["--patient-name", "doe*"], {"1.2.3", "1.2.4"}),
        (["--patient-name", "山田*"], {"1.2.5"}),
        (["--date", "2026-02-01..2026-02-28"], {"1.2.4"}),
        (["--modality", "mr"], {"1.2.3"}),
        (["--accession", "A2", "--accession", "A3"], {"1.2.4", "1.2.5"}),
        (["--study", "1.2.5"], {"1.2.5"}),
        (["-k", "StudyDescription=胸*"], {"1.2.5"}),
        (["--level", "series", "--accession", "A1"], {"1.2.3.1", "1.2.3.2"}),
        (["--level", "series", "--accession", "A1", "--modality", "MR"], {"1.2.3.2"}),
        (["--level", "series", "--series", "1.2.3.2"], {"1.2.3.2"}),
        (["--level", "image", "--study", "1.2.4"], {"1.2.4.1.1"}),
        (["--level", "image", "--accession", "A1", "--modality", "MR"], {"1.2.3.2.1"}),
        (["--level", "patient"], {"P1", "P,2"}),
        (["--accession", "NOBODY"], set()),
    ],
)
def test_uids_of_what_is_asked_for(lab, options, uids):
    lab.archive()
    done = lab.run("find", "pacs", "--uids", *options)
    assert done.code == 0, done.err
    assert set(done.out.split()) == uids


def test_nothing_found_is_an_error_only_on_demand(lab):
    lab.archive()
    assert lab.run("find", "pacs", "--accession", "NOBODY").code == 0
    done = lab.run("find", "pacs", "--accession", "NOBODY", "--require")
    assert done.code == 66
    assert done.out == ""


def test_the_limit_cuts_and_says_so(lab):
    lab.archive()
    done = lab.run("find", "pacs", "--limit", "2", "--uids")
    assert len(done.out.split()) == 2
    assert "more than 2" in done.err
    assert "more than" not in lab.run("find", "pacs", "--limit", "3", "--uids").err


def test_a_further_key_is_a_further_column(lab):
    lab.archive()
    done = lab.run("find", "pacs", "-k", "PatientSex", "-k", "0008,0090")
    head = done.out.splitlines()[0]
    assert "PatientSex" in head
    assert "ReferringPhysicianName" in head


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--date", "20261301"], "not a date"),
        (["--date", "20260202-20260101"], "ends before it begins"),
        (["-k", "Colour"], "no attribute"),
        (["-k", "RequestAttributesSequence"], "a sequence"),
        (["--csv", "--uids"], "exclude each other"),
        (["--level", "patient", "--date", "today"], "--date selects nothing at --level patient"),
        (["--series", "1.2.3.1"], "--series selects nothing at --level study"),
        (["-k", "Modality=CT"], "--level series"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(lab, options, words):
    lab.archive()
    done = lab.run("find", "pacs", *options)
    assert done.code == 64
    assert words in done.err


def test_an_unknown_node_names_the_nearest(lab):
    lab.archive()
    done = lab.run("find", "pasc")
    assert done.code == 64
    assert "did you mean pacs" in done.err


def test_nobody_there_is_75(lab):
    lab.name("pacs", lab.receiver_port)
    assert lab.run("find", "pacs").code == 75


@pytest.mark.peers
@pytest.mark.parametrize("kind", ["orthanc", "dcmqrscp"])
def test_real_archives_answer_the_same(lab, kind, shared_tools, need_program, tmp_path):
    need_program("Orthanc", "dcmqrscp")
    made = lab.real(kind, shared_tools, make_people(tmp_path / "people"),
                    EXTRA='"DicomAlwaysAllowFind": true')  # fmt: skip
    lab.name("pacs", made.port)
    for options, uids in (
        ([], {"1.2.3", "1.2.4", "1.2.5"}),
        (["--patient-id", "P1"], {"1.2.3", "1.2.4"}),
        (["--patient-id", "P,2"], {"1.2.5"}),
        (["--date", "20260201-20260301"], {"1.2.4"}),
        (["--modality", "MR"], {"1.2.3"}),
        (["--level", "series", "--accession", "A1"], {"1.2.3.1", "1.2.3.2"}),
        (["--level", "series", "--modality", "MR"], {"1.2.3.2"}),
        (["--level", "image", "--study", "1.2.4"], {"1.2.4.1.1"}),
        (["--level", "patient", "--patient-id", "P1"], {"P1"}),
        (["--accession", "NOBODY"], set()),
    ):
        done = lab.run("find", "pacs", "--uids", *options)
        assert done.code == 0, (options, done.err)
        assert set(done.out.split()) == uids, (options, done.err)
    names = {row["PatientName"] for row in rows_of(lab.run("find", "pacs", "--csv"))}
    assert 'Doe, "JD"^Jane' in names
    assert any("山田" in name for name in names) or kind == "orthanc"  # Orthanc loses them
