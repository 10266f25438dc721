import contextlib
import csv
import io
import json
import subprocess
import time

import jsonschema
import pydicom
import pytest
from cli_schema import SCHEMA
from peers import free_ports, tool
from pydicom.dataset import FileMetaDataset
from toolbox_lab import ITEMS, make_people

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


@contextlib.contextmanager
def wlmscpfs(folder):
    """dcmtk's worklist server with the items; gives its port."""
    place = folder / "wl" / "RIS"
    place.mkdir(parents=True)
    (place / "lockfile").touch()
    for number, row in enumerate(ITEMS):
        item = item_of(completed(row))
        item.file_meta = FileMetaDataset()
        item.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        pydicom.dcmwrite(place / f"{number}.wl", item, enforce_file_format=False,
                         little_endian=True, implicit_vr=False)  # fmt: skip
    (port,) = free_ports(1)
    with subprocess.Popen(
        ["wlmscpfs", "-dfr", "-dfp", str(folder / "wl"), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            deadline = time.monotonic() + 10
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
