import contextlib
import csv
import io
import json
import subprocess
import time
from pathlib import Path

import jsonschema
import pydicom
import pytest
from cli_schema import SCHEMA
from peers import free_ports, tool
from pydicom.dataset import FileMetaDataset
from toolbox_lab import ITEMS, make_people
from whole_jobs import instance, save

from mkiso.archive.server import Extras
from mkiso.core.worklist import completed, item_of


@pytest.fixture
def ris(lab):
    """An embedded archive with a worklist (one item as JSON, one as CSV) and MPPS, as `ris`."""
    orders = lab.folder / "orders"
    orders.mkdir()
    (orders / "a.json").write_text(json.dumps(ITEMS[0]))
    with (orders / "b.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ITEMS[1])
        writer.writeheader()
        writer.writerow(ITEMS[1])
    (orders / "broken.json").write_text("{")
    (orders / "ignored.txt").write_text("hello")
    lab.archive(
        "ris",
        folder=make_people(lab.folder / "files"),
        extras=Extras(worklist_folder=orders, steps_folder=lab.folder / "steps"),
    )
    return lab


def write_items(place):
    """Write the items as the files that wlmscpfs and Orthanc read."""
    place.mkdir(parents=True)
    for number, row in enumerate(ITEMS):
        item = item_of(completed(row))
        item.file_meta = FileMetaDataset()
        item.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        pydicom.dcmwrite(place / f"{number}.wl", item, enforce_file_format=False,
                         little_endian=True, implicit_vr=False)  # fmt: skip


@contextlib.contextmanager
def wlmscpfs(folder):
    """dcmtk's worklist server with the items; gives its port."""
    place = folder / "wl" / "RIS"
    write_items(place)
    (place / "lockfile").touch()
    (port,) = free_ports(1)
    with subprocess.Popen(
        ["wlmscpfs", "-dfr", "-dfp", str(folder / "wl"), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            deadline = time.monotonic() + 30
            where = ["-aec", "RIS", "127.0.0.1", str(port)]
            while time.monotonic() < deadline and tool("echoscu", *where):
                time.sleep(0.05)
            yield port
        finally:
            process.kill()


QUESTIONS = [
    ([], {"1.2.3", "1.2.5"}),
    (["--date", "today"], {"1.2.3"}),
    (["--date", "20260201-20260228"], {"1.2.5"}),
    (["--modality", "mr"], {"1.2.5"}),
    (["--station", "CT1"], {"1.2.3"}),
    (["--patient-id", "P,2"], {"1.2.5"}),
    (["--accession", "A1"], {"1.2.3"}),
    (["--accession", "NOBODY"], set()),
]


@pytest.mark.parametrize(("options", "uids"), QUESTIONS)
def test_the_items_that_match(ris, options, uids):
    done = ris.run("worklist", "ris", "--uids", *options)
    assert done.code == 0, done.err
    assert set(done.out.split()) == uids


@pytest.mark.peers
def test_wlmscpfs_answers_the_same(lab, need_program):
    need_program("wlmscpfs", "echoscu")
    with wlmscpfs(lab.folder) as port:
        lab.name("ris", port, "RIS")
        for options, uids in QUESTIONS:
            done = lab.run("worklist", "ris", "--uids", *options)
            assert done.code == 0, (options, done.err)
            assert set(done.out.split()) == uids, options
        rows = list(csv.DictReader(io.StringIO(lab.run("worklist", "ris", "--csv").out)))
        assert {row["PatientName"] for row in rows} == {row["PatientName"] for row in ITEMS}


@pytest.mark.peers
def test_findscu_finds_our_items(ris, need_program):
    need_program("findscu")
    port = str(ris.nodes["ris"]["port"])
    keys = ["-k", "0008,0050", "-k", "0010,0010",
            "-k", "(0040,0100)[0].Modality=MR", "-k", "(0040,0100)[0].0040,0009"]  # fmt: skip
    answer = tool("findscu", "-W", "-aec", "ABPACS", "127.0.0.1", port, *keys)
    assert answer.count("[A3") == 1
    assert "[S2" in answer
    assert "A1" not in answer
    assert "ScheduledStationAETitle" not in answer  # nobody asked for it


def test_table_and_json(ris):
    done = ris.run("worklist", "ris", "--date", "today")
    head, _, line = done.out.splitlines()
    assert head.split()[:4] == ["Date", "Time", "Modality", "Station"]
    assert 'Doe, "JD", Jane' in line
    report = ris.run("worklist", "ris", "--json").report
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    assert {m["ScheduledProcedureStepID"] for m in report["answer"]["matches"]} == {"S1", "S2"}


def test_a_changed_folder_is_read_again(ris):
    (ris.folder / "orders/a.json").unlink()
    (ris.folder / "orders/c.json").write_text(json.dumps([{**ITEMS[0], "AccessionNumber": "A9"}]))
    assert ris.run("worklist", "ris", "--accession", "A9", "--uids").out.split() == ["1.2.3"]
    assert ris.run("worklist", "ris", "--accession", "A1", "--uids").out == ""


def test_nothing_is_66_only_on_demand_and_no_worklist_is_76(ris, lab):
    assert ris.run("worklist", "ris", "--accession", "X").code == 0
    assert ris.run("worklist", "ris", "--accession", "X", "--require").code == 66
    lab.archive("plain", folder=lab.folder / "files")
    done = lab.run("worklist", "plain")
    assert done.code == 76
    assert "modality worklist" in done.err


def steps(lab):
    return [json.loads(path.read_text("utf-8")) for path in (lab.folder / "steps").glob("*.json")]


def test_a_step_begins_with_the_worklist_item_and_ends_with_what_it_produced(ris):
    done = ris.run("mpps", "ris", "start", "--accession", "A3")
    assert done.code == 0, done.err
    uid = done.out.strip()
    (step,) = steps(ris)
    assert step["00400252"]["Value"] == ["IN PROGRESS"]
    assert step["00080060"]["Value"] == ["MR"]
    scheduled = step["00400270"]["Value"][0]
    assert scheduled["0020000D"]["Value"] == ["1.2.5"]
    assert scheduled["00400009"]["Value"] == ["S2"]
    assert step["00100010"]["Value"][0]["Ideographic"] == "山田^太郎"
    produced = ris.folder / "files/1.2.5"
    done = ris.run("mpps", "ris", "complete", "--uid", uid, "--produced", produced)
    assert done.code == 0, done.err
    (step,) = steps(ris)
    assert step["00400252"]["Value"] == ["COMPLETED"]
    images = step["00400340"]["Value"][0]["00081140"]["Value"]
    assert {image["00081155"]["Value"][0] for image in images} == {"1.2.5.1.1", "1.2.5.1.2"}
    done = ris.run("mpps", "ris", "discontinue", "--uid", uid)
    assert done.code == 76
    assert "0110H" in done.err
    assert steps(ris)[0]["00400252"]["Value"] == ["COMPLETED"]


def test_a_step_can_be_discontinued_with_nothing_produced(ris):
    uid = ris.run("mpps", "ris", "start", "--step-id", "S1").out.strip()
    assert ris.run("mpps", "ris", "discontinue", "--uid", uid).code == 0
    assert steps(ris)[0]["00400252"]["Value"] == ["DISCONTINUED"]


def test_what_is_unclear_is_not_begun(ris):
    assert ris.run("mpps", "ris", "start").code == 64
    assert ris.run("mpps", "ris", "start", "--accession", "NOBODY").code == 66
    assert ris.run("mpps", "ris", "start", "--patient-name", "*").code == 82
    assert ris.run("mpps", "ris", "complete").code == 64
    assert ris.run("mpps", "ris", "complete", "--uid", "1.2.77").code == 76
    uid = ris.run("mpps", "ris", "start", "--accession", "A1", "--uid", "1.2.99").out.strip()
    assert uid == "1.2.99"
    assert ris.run("mpps", "ris", "start", "--accession", "A1", "--uid", "1.2.99").code == 76
    assert len(steps(ris)) == 1


def test_reports_are_not_named_as_images(ris):
    report = "1.2.840.10008.5.1.4.1.1.88.11"
    produced = ris.folder / "produced"
    save(produced, "1", instance("1.2.5", 1, 1))
    save(produced, "2", instance("1.2.5", 9, 1, SOPClassUID=report, Modality="SR"))
    uid = ris.run("mpps", "ris", "start", "--accession", "A3").out.strip()
    assert ris.run("mpps", "ris", "complete", "--uid", uid, "--produced", produced).code == 0
    (step,) = steps(ris)
    images, others = (
        {
            item["00081155"]["Value"][0]
            for series in step["00400340"]["Value"]
            for item in series[tag].get("Value", [])
        }
        for tag in ("00081140", "00400220")
    )
    assert (images, others) == ({"1.2.5.1.1"}, {"1.2.5.9.1"})


def test_a_step_has_not_produced_two_patients(ris):
    uid = ris.run("mpps", "ris", "start", "--accession", "A3").out.strip()
    done = ris.run("mpps", "ris", "complete", "--uid", uid, "--produced", ris.folder / "files")
    assert done.code == 82
    assert "of 2 patients" in done.err
    assert steps(ris)[0]["00400252"]["Value"] == ["IN PROGRESS"]


@pytest.mark.peers
def test_orthancs_worklist_plugin_answers_the_same(lab, shared_tools, need_program):
    plugin = Path("/usr/share/orthanc/plugins/libModalityWorklists.so")
    need_program("Orthanc")
    if not plugin.exists():
        pytest.skip("Orthanc's worklist plugin is not installed")
    write_items(lab.folder / "wl")
    nothing = lab.folder / "nothing"
    nothing.mkdir()
    more = {
        "DicomAlwaysAllowFindWorklist": True,
        "Plugins": [str(plugin)],
        "Worklists": {"Enable": True, "Database": str(lab.folder / "wl")},
    }
    made = lab.real("orthanc", shared_tools, nothing, EXTRA=json.dumps(more)[1:-1])
    lab.name("ris", made.port)
    for options, uids in QUESTIONS:
        done = lab.run("worklist", "ris", "--uids", *options)
        assert done.code == 0, (options, done.err)
        assert set(done.out.split()) == uids, options


@pytest.mark.peers
def test_a_step_of_an_item_of_wlmscpfs_begins_at_another_node(ris, need_program):
    """Worklist and MPPS are often two systems."""
    need_program("wlmscpfs", "echoscu")
    with wlmscpfs(ris.folder) as port:
        ris.name("hospital", port, "RIS")
        done = ris.run("mpps", "ris", "start", "--worklist", "hospital", "--accession", "A3")
    assert done.code == 0, done.err
    (step,) = steps(ris)
    assert step["00400270"]["Value"][0]["0020000D"]["Value"] == ["1.2.5"]
    assert step["00100010"]["Value"][0]["Ideographic"] == "山田^太郎"


def test_a_file_that_goes_while_the_worklist_is_read_costs_no_answer(ris, monkeypatch):
    """Whoever writes the folder may do so at any moment."""
    orders, listed = ris.folder / "orders", Path.iterdir

    def going(folder):
        yield from listed(folder)
        if folder == orders:
            yield orders / "gone.json"

    monkeypatch.setattr(Path, "iterdir", going)
    assert set(ris.run("worklist", "ris", "--uids").out.split()) == {"1.2.3", "1.2.5"}


def test_dates_and_times_of_a_spreadsheet_are_understood(ris):
    (ris.folder / "orders/b.csv").write_text(
        "PatientName,PatientID,Modality,ScheduledProcedureStepStartDate,"
        "ScheduledProcedureStepStartTime,PatientBirthDate\n"
        '"Roe, Richard",P7,CT,2026-03-01,08:30,1970-12-31\n'
    )
    done = ris.run("worklist", "ris", "--date", "20260301", "--json")
    (item,) = done.report["answer"]["matches"]
    assert item["PatientID"] == "P7"
    assert item["ScheduledProcedureStepStartTime"] == "0830"
    assert item["PatientBirthDate"] == "19701231"


def test_a_worklist_file_that_nobody_can_read_costs_no_other(ris):
    (ris.folder / "orders/deep.json").write_text("[" * 100_000)
    (ris.folder / "orders/bytes.csv").write_bytes(b"\xff\xfe\0")
    (ris.folder / "orders/folder.json").mkdir()
    assert set(ris.run("worklist", "ris", "--uids").out.split()) == {"1.2.3", "1.2.5"}


def test_the_limit_cuts_the_worklist_and_says_so(ris):
    done = ris.run("worklist", "ris", "--limit", "1", "--uids")
    assert len(done.out.split()) == 1
    assert "There are more than 1" in done.err
    assert "more than" not in ris.run("worklist", "ris", "--limit", "2", "--uids").err
