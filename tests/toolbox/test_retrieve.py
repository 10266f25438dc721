import contextlib
import os
import signal
import subprocess
import sys
import time

import jsonschema
import pytest
from cli_schema import CHECKOUT, SCHEMA
from odd_archive import OddArchive
from toolbox_lab import LIST, data_sets, make_people
from whole_jobs import study

from mkiso.toolbox.tidy_folder import MARKER


def files_below(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("method", ["move", "get"])
def test_a_study_arrives_bit_for_bit_under_the_names_of_its_uids(lab, method):
    lab.archive()
    out = lab.folder / "out"
    done = lab.run("retrieve", "pacs", "--accession", "A1", "--method", method, "--output", out)
    assert done.code == 0, done.err
    assert files_below(out) == {
        "1.2.3/1.2.3.1/1.2.3.1.1.dcm",
        "1.2.3/1.2.3.1/1.2.3.1.2.dcm",
        "1.2.3/1.2.3.1/1.2.3.1.3.dcm",
        "1.2.3/1.2.3.2/1.2.3.2.1.dcm",
    }
    originals = data_sets(lab.folder / "pacs-files")
    assert all(originals[uid] == content for uid, content in data_sets(out).items())
    assert done.out.strip() == f"4 instances of 1 study in {out}."


@pytest.mark.parametrize(
    ("options", "instances"),
    [
        (["--patient-id", "P1"], 5),
        (["--patient-id", "P1", "--date", "20260201-"], 1),
        (["--study", "1.2.4", "--study", "1.2.5"], 3),
        (["--accession", "A1", "--modality", "MR"], 1),
        (["--accession", "A1", "--series", "1.2.3.1"], 3),
        (["--accession", "A2", "--accession", "A3"], 3),
        (["--patient-id", "P,2"], 2),
    ],
)
def test_what_is_asked_for_arrives_and_nothing_else(lab, options, instances):
    lab.archive()
    done = lab.run("retrieve", "pacs", *options, "--sort", "flat", "--output", lab.folder / "out")
    assert done.code == 0, done.err
    assert len(files_below(lab.folder / "out")) == instances


def test_patients_have_folders_of_their_own(lab):
    lab.archive()
    out = lab.folder / "out"
    lab.run("retrieve", "pacs", "--patient-id", "P1", "--sort", "patient", "--output", out)
    lab.run("retrieve", "pacs", "--patient-id", "P,2", "--sort", "patient", "--output", out)
    assert {path.split("/")[0] for path in files_below(out)} == {"P1", "P,2"}


def test_a_second_run_asks_only_for_what_is_missing(lab):
    with odd_archive(lab) as archive:
        out = lab.folder / "out"
        arguments = ["retrieve", "pacs", "--accession", "A1", "--output", out]
        assert lab.run(*arguments).code == 0
        lost, cut = out / "1.2.3/1.2.3.1/1.2.3.1.2.dcm", out / "1.2.3/1.2.3.2/1.2.3.2.1.dcm"
        lost.unlink()
        cut.write_bytes(cut.read_bytes()[:-10])
        before = len(archive.moves)
        done = lab.run(*arguments)
        assert done.code == 0, done.err
        assert "2 of them were there already" in done.out
        again = [uid for move in archive.moves[before:] for uid in move.uids]
        assert sorted(again) == ["1.2.3.1.2", "1.2.3.2.1"]
    assert data_sets(out).items() <= data_sets(lab.folder / "files").items()
    assert len(data_sets(out)) == 4


@contextlib.contextmanager
def odd_archive(lab):
    people = make_people(lab.folder / "files")
    destinations = {"CDRECORD": ("127.0.0.1", lab.receiver_port)}
    with OddArchive(people, destinations) as archive:
        lab.name("pacs", archive.port)
        yield archive


def test_what_is_missing_is_an_error_and_the_folder_says_so(lab):
    archive = lab.archive()
    next(p for p in (lab.folder / "pacs-files/1.2.3").iterdir() if p.name == "1.2").unlink()
    out = lab.folder / "out"
    arguments = ["retrieve", "pacs", "--accession", "A1", "--output", out, "--set",
                 "nodes.pacs.retries=0"]  # fmt: skip
    done = lab.run(*arguments)
    assert done.code == 80
    assert "1 of 4 instances did not arrive" in done.err
    assert "1.2.3.1.2" in done.err
    assert (out / MARKER).is_file()
    assert len(data_sets(out)) == 3
    assert archive.contents.instances == 7


def test_nothing_that_matches_is_66_without_the_patients_id(lab):
    lab.archive()
    done = lab.run("retrieve", "pacs", "--patient-id", "QX77", "--output", lab.folder / "out", "-v")
    assert done.code == 66
    assert "QX77" not in done.err


def test_no_patient_is_in_the_log(lab):
    lab.archive()
    done = lab.run("retrieve", "pacs", "--patient-id", "P,2", "--output", lab.folder / "out", "-v")
    assert done.code == 0
    assert "C-MOVE" in done.err
    assert "P,2" not in done.err
    assert "Yamada" not in done.err


def test_asking_for_nothing_is_a_usage_error(lab):
    lab.archive()
    assert lab.run("retrieve", "pacs", "--output", lab.folder / "out").code == 64
    assert lab.run("retrieve", "pacs", "--date", "today", "--output", lab.folder / "o").code == 64
    done = lab.run("retrieve", "pacs", "--patient-id", "P*", "--output", lab.folder / "out")
    assert done.code == 64


def test_a_list_is_retrieved_line_by_line_and_one_failing_patient_stops_no_other(lab):
    lab.archive()
    (lab.folder / "list.csv").write_bytes(LIST.encode("utf-8-sig"))
    out = lab.folder / "out"
    done = lab.run("retrieve", "pacs", "--from", "list.csv", "--output", out, "--json")
    report = done.report
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    assert done.code == 66
    lines = {line["line"]: line for line in report["answer"]["lines"]}
    assert [lines[n]["code"] for n in (2, 3, 4)] == [0, 66, 0]
    assert lines[2]["studies"] == ["1.2.3"]
    assert len(data_sets(out)) == 6
    assert (out / MARKER).is_file()
    assert "P9" not in done.out


def test_the_csv_of_find_is_a_list_for_retrieve(lab):
    lab.archive()
    (lab.folder / "list.csv").write_text(lab.run("find", "pacs", "--csv").out)
    out = lab.folder / "out"
    assert lab.run("retrieve", "pacs", "--from", "list.csv", "--output", out).code == 0
    assert data_sets(out) == data_sets(lab.folder / "pacs-files")


def test_a_killed_retrieval_is_resumed_by_the_next(lab, tmp_path):
    folder = tmp_path / "many"
    study(folder, 60, PixelData=bytes(200_000), Rows=500, Columns=200, study="1.2.8")
    lab.archive(folder=folder)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "mkiso", "retrieve", "pacs", "--study", "1.2.8",
               "--output", str(out), "--config", str(lab.config)]  # fmt: skip
    environ = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL, cwd=tmp_path)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not any(out.glob("1.2.8/*/*.dcm")):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    here = len(data_sets(out))
    if here < 60:
        assert (out / MARKER).is_file()
    done = lab.run("retrieve", "pacs", "--study", "1.2.8", "--output", out)
    assert done.code == 0, done.err
    assert data_sets(out) == data_sets(folder)
    assert not (out / MARKER).exists()
    assert not [p for p in out.iterdir() if p.name.startswith(".mkiso-")]


@pytest.mark.peers
@pytest.mark.parametrize("kind", ["orthanc", "dcmqrscp"])
@pytest.mark.parametrize("method", ["move", "get"])
def test_real_archives_send_everything_bit_for_bit(
    lab, kind, method, shared_tools, need_program, tmp_path
):
    need_program("Orthanc", "dcmqrscp")
    people = make_people(tmp_path / "people")
    made = lab.real(kind, shared_tools, people, DEST_PORT=str(lab.receiver_port))
    lab.name("pacs", made.port)
    out = lab.folder / "out"
    done = lab.run("retrieve", "pacs", "--patient-id", "P1", "--method", method, "--output", out)
    assert done.code == 0, done.err
    originals = data_sets(people)
    got = data_sets(out)
    assert len(got) == 5
    assert all(originals[uid] == content for uid, content in got.items())


@pytest.mark.data
def test_real_studies_arrive_bit_for_bit(lab, shared_data):
    """CT, MR, US, SR, whole slides ... in the syntaxes of many makers, by a list that find made."""
    archive = lab.archive(folder=shared_data, index_file=lab.folder / "index")
    done = lab.run("find", "pacs", "--modality", "CT", "--csv", "--limit", "12")
    (lab.folder / "list.csv").write_text(done.out, encoding="utf-8")
    out = lab.folder / "out"
    done = lab.run("retrieve", "pacs", "--from", "list.csv", "--output", out, "--json")
    assert done.code == 0, done.out
    stored = {i.sop_instance_uid: i for i in archive.index.stored(())}
    arrived = data_sets(out)
    assert len(arrived) == done.report["received"] > 12
    for uid, content in arrived.items():
        original = stored[uid]
        assert original.path.read_bytes()[original.data_set_offset :] == content


def test_a_long_list_reads_the_folder_once(lab, monkeypatch):
    lab.archive()
    rows = "".join(f"1.2.{n}\n" for n in (3, 4, 5))
    (lab.folder / "list.csv").write_text(f"StudyInstanceUID\n{rows}1.2.3 \n")
    out = lab.folder / "out"
    assert lab.run("retrieve", "pacs", "--study", "1.2.5", "--output", out).code == 0
    looked = []
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda top, **more: looked.append(top) or walk(top, **more))
    done = lab.run("retrieve", "pacs", "--from", "list.csv", "--output", out)
    assert done.code == 0, done.err
    assert "2 of them were there already" in done.out
    assert data_sets(out) == data_sets(lab.folder / "pacs-files")
    assert looked.count(out) == 1


def test_a_study_without_a_uid_is_not_asked_for(lab):
    """Asked for by an empty UID, an archive may send everything that it has."""

    def on_find(level, answers):
        return [
            [(tag, vr, b"" if tag == 0x0020000D and value == b"1.2.4" else value)
             for tag, vr, value in answer]
            for answer in answers
        ]  # fmt: skip

    with odd_archive(lab) as archive:
        archive.on_find = on_find
        out = lab.folder / "out"
        done = lab.run("retrieve", "pacs", "--patient-id", "P1", "--output", out)
        assert done.code == 76
        assert "lists a study without a Study Instance UID" in done.err
        assert archive.moves == []
        done = lab.run("find", "pacs", "--level", "series", "--patient-id", "P1", "--uids")
        assert set(done.out.split()) == {"1.2.3.1", "1.2.3.2"}
        assert "pacs answered with 1 that do not match" in done.err
