"""De-identified copies from files, and from one archive into another, as a person makes them."""

import json
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pydicom
import pytest
from deidentified import KEY, LEAST, originals_of, strings_of
from peers import free_ports
from pydicom.sequence import Sequence
from pydicom.uid import RLELossless
from toolbox_lab import data_sets, make_people
from whole_jobs import instance, save

from mkiso.stages.verify import check_path

US = "1.2.840.10008.5.1.4.1.1.6.1"
SR = "1.2.840.10008.5.1.4.1.1.88.11"
STUDY = "1.2.826.0.1.3680043.9.7433.78.1"
WHO = {"PatientName": "Quux^Zebulon", "PatientID": "PIDQ7700", "AccessionNumber": "ACC20260131"}


@pytest.fixture
def key(lab):
    path = lab.folder / "site.key"
    path.write_bytes(KEY)
    lab.name("nowhere", 1)
    return path


def copies(folder):
    return {p.name: pydicom.dcmread(p) for p in sorted(folder.rglob("*.dcm"))}


def fill(folder, **more):
    for n in (1, 2):
        save(folder, f"{n}", instance(STUDY, 1, n, **{**WHO, **more}))
    return folder


def test_a_folder_becomes_a_folder_of_nobody(lab, key):
    source, out = fill(lab.folder / "in"), lab.folder / "out"
    done = lab.run("deidentify", source, out, "--deidentify-key", key, "--json")
    assert done.code == 0, done.err
    assert done.report["answer"]["deidentified"] == 2
    made = copies(out)
    assert len(made) == 2
    everything = b"".join(p.read_bytes() for p in out.rglob("*") if p.is_file())
    said = (done.out + done.err + (lab.folder / "state").joinpath(
        "jobs", f"{done.report['job']}.log").read_text()).encode()  # fmt: skip
    names = "".join(str(p.relative_to(out)) for p in out.rglob("*")).encode()
    for secret in strings_of(originals_of(source)):
        assert len(secret) >= LEAST
        assert secret.encode() not in everything + said + names, secret


def test_the_same_key_makes_the_same_files_and_no_key_others(lab, key):
    source, out = fill(lab.folder / "in"), lab.folder / "out"
    lab.run("deidentify", source, out, "--deidentify-key", key)
    before = {p: p.read_bytes() for p in out.rglob("*.dcm")}
    assert lab.run("deidentify", source, out, "--deidentify-key", key).code == 0
    assert {p: p.read_bytes() for p in out.rglob("*.dcm")} == before
    assert lab.run("deidentify", source, out).code == 0
    assert len(list(out.rglob("*.dcm"))) == 4


def test_a_disc_image_is_read_as_it_is(lab, key, tmp_path):
    source = fill(tmp_path / "images")
    lab.archive("pacs", source)
    lab.nodes.pop("nowhere")
    lab.name("pacs", lab.nodes["pacs"]["port"])
    made = lab.run("make", "ACC20260131", "--output", tmp_path / "discs", "--viewer", "none")
    assert made.code == 0, made.err
    (disc,) = (tmp_path / "discs").glob("*.iso")
    done = lab.run("deidentify", disc, tmp_path / "out", "--deidentify-key", key)
    assert done.code == 0, done.err
    assert len(copies(tmp_path / "out")) == 2


def ultrasound(**more):
    made = instance(STUDY, 1, 1, **{**WHO, "SOPClassUID": US, "Modality": "US", **more})
    made.Rows, made.Columns = 8, 12
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.PixelData = bytes(range(96))
    region = pydicom.Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 2, 3
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 9, 7
    made.SequenceOfUltrasoundRegions = Sequence([region])
    return made


def blanked(pixels):
    rows = [pixels[n : n + 12] for n in range(0, 96, 12)]
    return b"".join(
        bytes(2) + row[2:10] + bytes(2) if n >= 3 else bytes(12) for n, row in enumerate(rows)
    )


def test_ultrasound_is_refused_or_blank_outside_its_regions(lab, key):
    source, out = lab.folder / "in", lab.folder / "out"
    save(source, "us", ultrasound())
    done = lab.run("deidentify", source, out)
    assert done.code == 87
    assert not copies(out)
    assert STUDY not in done.err
    done = lab.run("deidentify", source, out, "--deidentify", "basic,clean-pixel-data")
    assert done.code == 0, done.err
    (made,) = copies(out).values()
    assert made.PixelData == blanked(bytes(range(96)))
    assert made.BurnedInAnnotation == "NO"
    codes = [code.CodeValue for code in made.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113101"]


def test_compressed_ultrasound_is_decoded_and_blanked(lab, key):
    source, out = lab.folder / "in", lab.folder / "out"
    made = ultrasound()
    made.compress(RLELossless, generate_instance_uid=False)
    save(source, "us", made)
    done = lab.run("deidentify", source, out, "--deidentify", "clean-pixel-data")
    assert done.code == 0, done.err
    (made,) = copies(out).values()
    assert made.PixelData == blanked(bytes(range(96)))


def test_secondary_captures_are_blanked_by_the_rules_of_the_site(lab, key):
    source, out = lab.folder / "in", lab.folder / "out"
    made = ultrasound(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", Modality="OT")
    del made.SequenceOfUltrasoundRegions
    save(source, "sc", made)
    rules = lab.folder / "regions.csv"
    rules.write_text("modality,model,rows,columns,left,top,width,height\nOT,,8,12,0,0,12,2\n")
    run = ("deidentify", source, out, "--deidentify", "clean-pixel-data")
    assert lab.run(*run).code == 87
    assert lab.run(*run, "--blank-regions", rules).code == 0
    (made,) = copies(out).values()
    assert made.PixelData == bytes(24) + bytes(range(24, 96))


def test_reports_are_left_out_and_said_or_cleaned(lab, key):
    source, out = fill(lab.folder / "in"), lab.folder / "out"
    report = instance(STUDY, 2, 1, **{**WHO, "SOPClassUID": SR, "Modality": "SR"})
    text = pydicom.Dataset()
    text.RelationshipType, text.ValueType, text.TextValue = "CONTAINS", "TEXT", "Quux is ill"
    report.ContentSequence = Sequence([text])
    save(source, "sr", report)
    done = lab.run("deidentify", source, out, "--json")
    assert done.code == 0
    assert len(copies(out)) == 2
    assert "1 objects of modality SR left out" in " ".join(done.report["warnings"])
    lab.run("deidentify", source, out, "--deidentify", "clean-structured-content")
    (made,) = [each for each in copies(out).values() if each.Modality == "SR"]
    assert made.ContentSequence[0].TextValue == "REMOVED"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--deidentify", "basic,nonsense"), 64),
        (("--deidentify-key", "/nowhere/key"), 78),
        (("--pseudonyms", "/nowhere/list"), 65),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(lab, key, options, code):
    source, out = fill(lab.folder / "in"), lab.folder / "out"
    assert lab.run("deidentify", source, out, *options).code == code
    assert not copies(out)


def test_two_patients_cannot_share_a_pseudonym(lab, key):
    names = lab.folder / "names.csv"
    names.write_text("PatientID,Pseudonym\nA,X1\nB,X1\n")
    source = fill(lab.folder / "in")
    done = lab.run("deidentify", source, lab.folder / "out", "--pseudonyms", names)
    assert done.code == 65
    assert "line 3" in done.err


def test_memory_does_not_grow_with_an_object(lab, key):
    big = instance(STUDY, 1, 1, **WHO)
    big.Rows, big.Columns, big.NumberOfFrames = 512, 512, "1"
    big.PixelData = b""
    path = save(lab.folder / "in", "big", big)
    with path.open("r+b") as file:  # 300 MB of pixels that take no room on the disk
        file.seek(-12, 2)
        file.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 300 << 20))
        file.truncate(file.tell() + (300 << 20))
    tracemalloc.start()
    try:
        assert lab.run("deidentify", path, lab.folder / "out").code == 0
        assert tracemalloc.get_traced_memory()[1] < 48 << 20
    finally:
        tracemalloc.stop()
    (made,) = (lab.folder / "out").rglob("*.dcm")
    assert made.stat().st_size > 300 << 20


LIST = 'PatientID,StudyDate\nP1,20260131\nNOBODY,20260101\n"P,2",\n'


def test_from_one_archive_into_another(lab, key):
    """By a list of patients and days; a line that fails stops no other."""
    lab.nodes.pop("nowhere")
    lab.archive()
    people = lab.folder / "list.csv"
    people.write_text(LIST, encoding="utf-8")
    other = lab.folder / "other"
    other.mkdir()
    lab.archive("pseudo", other)
    done = lab.run("retrieve", "pacs", "--from", people, "--output", lab.folder / "out",
                   "--deidentify=basic,retain-modified-dates", "--deidentify-key", key,
                   "--send", "pseudo", "--json")  # fmt: skip
    check_passed_on(lab, done)
    found = lab.run("find", "pseudo", "--json", "--level", "study")
    assert found.code == 0, found.err
    assert "Doe" not in found.out
    assert len(data_sets(other)) == 6


@pytest.mark.peers
def test_from_orthanc_into_orthanc(lab, key, shared_tools, need_program):
    need_program("Orthanc")
    lab.nodes.pop("nowhere")
    people = make_people(lab.folder / "people")
    raw = lab.real("orthanc", shared_tools, people, DEST_PORT=str(lab.receiver_port))
    lab.name("pacs", raw.port)
    empty = lab.folder / "empty"
    empty.mkdir()
    pseudo = lab.real("orthanc", shared_tools, empty, DEST_PORT=str(free_ports(1)[0]))
    lab.name("pseudo", pseudo.port)
    (lab.folder / "list.csv").write_text(LIST, encoding="utf-8")
    run = ("retrieve", "pacs", "--from", lab.folder / "list.csv", "--output", lab.folder / "out",
           "--deidentify", "--deidentify-key", key, "--send", "pseudo", "--json")  # fmt: skip
    done = lab.run(*run)
    check_passed_on(lab, done)
    number = next(iter(copies(lab.folder / "out").values())).AccessionNumber
    back = lab.run("retrieve", "pseudo", "--accession", number, "--output", lab.folder / "back",
                   "--method", "get")  # fmt: skip
    assert back.code == 0, back.err
    for made in copies(lab.folder / "back").values():
        assert made.PatientIdentityRemoved == "YES"


def check_passed_on(lab, done):
    assert done.code == 66, done.err  # of the line that found nobody
    report = done.report
    assert report["answer"]["deidentified"] == 6
    assert report["forwarded"][0]["sent"] == 6
    assert [line["code"] for line in report["answer"]["lines"]] == [0, 66, 0]
    out = lab.folder / "out"
    assert len(copies(out)) == 6
    assert not [p for p in out.iterdir() if p.name.startswith(".")]
    log = (lab.folder / "state" / "jobs" / f"{report['job']}.log").read_text()
    everything = json.dumps(report) + log
    for secret in ("1.2.3.1", "1.2.5.1", "Doe", "Yamada"):
        assert secret not in everything, secret


def test_send_without_deidentify_is_a_mistake(lab, key):
    done = lab.run("retrieve", "nowhere", "--accession", "A", "--output", lab.folder / "out",
                   "--send", "nowhere")  # fmt: skip
    assert done.code == 64


def test_the_finished_disc_of_a_folder_is_good(lab, key, tmp_path):
    """What was de-identified can be made a disc of like anything else."""
    out = tmp_path / "out"
    lab.run("deidentify", fill(lab.folder / "in"), out, "--deidentify-key", key)
    lab.nodes.pop("nowhere")
    lab.archive("pacs", out)
    number = next(iter(copies(out).values())).AccessionNumber
    done = lab.run("make", number, "--output", tmp_path / "discs", "--viewer", "none")
    assert done.code == 0, done.err
    (disc,) = (tmp_path / "discs").glob("*.iso")
    assert not [f for f in check_path(disc).findings if f.severity == "error"]


DIES = """
import os, sys
from mkiso.stages import deidentify
copy, done = deidentify._Work._copy, []
def dies(self, opened, blank):
    done.append(1)
    if len(done) == 2:
        os._exit(9)
    return copy(self, opened, blank)
deidentify._Work._copy = dies
from mkiso.cli.main import main
main(sys.argv[1:])
"""


def test_a_run_that_dies_leaves_no_copies_and_the_next_one_sweeps(lab, key):
    source, out = fill(lab.folder / "in"), lab.folder / "out"
    words = ["deidentify", str(source), str(out), "--config", str(lab.config)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    died = subprocess.run(
        [sys.executable, "-c", DIES, *words], env=environ, check=False, capture_output=True
    )
    assert died.returncode == 9
    assert [p.name.startswith(".mkiso-") for p in out.iterdir()] == [True]
    assert lab.run("deidentify", source, out, "--deidentify-key", key).code == 0
    assert len(copies(out)) == 2
    assert not [p for p in out.iterdir() if p.name.startswith(".")]


def test_what_cannot_be_read_is_counted_and_the_others_go_on(lab, key):
    source, out = fill(lab.folder / "in"), lab.folder / "out"
    (lab.folder / "in" / "broken").write_bytes((source / "1").read_bytes()[:-400])
    done = lab.run("deidentify", source, out, "--json")
    assert done.code == 0
    assert sum(done.report["answer"]["not_read"].values()) == 1
