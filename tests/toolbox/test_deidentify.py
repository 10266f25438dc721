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
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless
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


def test_what_blanks_nothing_is_no_cleaning(lab, key):
    """A region as large as the picture, or a rule beside it: the name would still be there."""
    source, out = lab.folder / "in", lab.folder / "out"
    made = ultrasound()
    (region,) = made.SequenceOfUltrasoundRegions
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 11, 7
    save(source, "us", made)
    rules = lab.folder / "regions.csv"
    rules.write_text("modality,model,rows,columns,left,top,width,height\nUS,,0,0,900,0,12,2\n")
    run = ("deidentify", source, out, "--deidentify", "clean-pixel-data", "--blank-regions", rules)
    assert lab.run(*run).code == 87
    assert not copies(out)
    rules.write_text("modality,model,rows,columns,left,top,width,height\nUS,,0,0,0,0,12,2\n")
    assert lab.run(*run).code == 0
    (made,) = copies(out).values()
    assert made.PixelData == bytes(24) + bytes(range(24, 96))


def compressed(number, **more):
    made = ultrasound(**more)
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"{STUDY}.1.{number}"
    made.compress(RLELossless, generate_instance_uid=False)
    return made


def test_compressed_ultrasound_is_decoded_and_blanked(lab, key):
    """One object after the other; nothing of the decoded ones stays."""
    source, out = lab.folder / "in", lab.folder / "out"
    for number, said in ((1, {}), (2, {}), (3, {"BurnedInAnnotation": "NO"})):
        save(source, f"us{number}", compressed(number, **said))
    done = lab.run("deidentify", source, out, "--deidentify", "clean-pixel-data")
    assert done.code == 0, done.err
    made = copies(out).values()
    assert [each.PixelData for each in made] == [blanked(bytes(range(96)))] * 3
    assert [path for path in out.rglob("*") if path.is_file() and path.suffix != ".dcm"] == []


def test_pixels_that_cannot_be_decoded_are_what_a_person_says(lab, key):
    """They cannot be blanked: refused, left out, or kept as they are."""
    source, out = lab.folder / "in", lab.folder / "out"
    made = compressed(1)
    made.PixelData = encapsulate([b"no picture at all"])
    made.file_meta.TransferSyntaxUID = JPEG2000Lossless
    save(source, "us", made)
    run = ("deidentify", source, out, "--deidentify", "clean-pixel-data")
    assert lab.run(*run).code == 87
    assert lab.run(*run, "--burned-in", "leave-out").code == 87  # nothing is left
    assert not copies(out)
    done = lab.run(*run, "--burned-in", "keep")
    assert done.code == 0, done.err
    (made,) = copies(out).values()
    assert made.file_meta.TransferSyntaxUID == JPEG2000Lossless
    assert made.get("BurnedInAnnotation") != "NO"


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


@pytest.mark.parametrize("out", [".", "in", "in/out", "link/out"])
def test_copies_do_not_lie_among_originals(lab, key, out):
    fill(lab.folder / "in")
    (lab.folder / "link").symlink_to(lab.folder / "in")
    done = lab.run("deidentify", lab.folder / "in", lab.folder / out)
    assert done.code == 64
    assert "apart" in done.err
    assert len(list((lab.folder / "in").rglob("*"))) == 2


def test_two_patients_cannot_share_a_pseudonym(lab, key):
    names = lab.folder / "names.csv"
    names.write_text("PatientID,Pseudonym\nA,X1\nB,X1\n")
    source = fill(lab.folder / "in")
    done = lab.run("deidentify", source, lab.folder / "out", "--pseudonyms", names)
    assert done.code == 65
    assert "line 3" in done.err


def test_patients_without_a_number_do_not_become_one(lab, key):
    """By their names, else by their studies; one of two issuers is not guessed."""
    source, out = lab.folder / "in", lab.folder / "out"
    people = [
        {"PatientID": "", "PatientName": "Quux^Zebulon"},
        {"PatientID": "", "PatientName": "QUUX^ZEBULON^^"},
        {"PatientID": "", "PatientName": "Other^Anna"},
        {"PatientID": "", "PatientName": "", "PatientBirthDate": ""},
        {"PatientID": "", "PatientName": "", "PatientBirthDate": ""},
        {"PatientID": "N7", "IssuerOfPatientID": "HERE"},
        {"PatientID": "N7", "IssuerOfPatientID": "THERE"},
        {"PatientID": "N7"},
    ]
    for n, person in enumerate(people, 1):
        save(source, f"{n}", instance(f"1.2.826.0.1.3680043.9.7433.80.{n}", 1, 1, **person))
    done = lab.run("deidentify", source, out, "--deidentify-key", key, "--deidentify",
                   "retain-uids")  # fmt: skip
    assert done.code == 0, done.err
    made = sorted(copies(out).values(), key=lambda each: each.StudyInstanceUID)
    first, again, *others = [each.PatientID for each in made]
    assert first == again
    assert len({first, *others}) == 7


def test_a_list_of_pseudonyms_does_not_make_one_patient_of_two_issuers(lab, key):
    source, out = lab.folder / "in", lab.folder / "out"
    for n, issuer in enumerate(("HERE", "THERE"), 1):
        study = f"1.2.826.0.1.3680043.9.7433.80.{n}"
        save(source, f"{n}", instance(study, 1, 1, PatientID="N7", IssuerOfPatientID=issuer))
    listed = lab.folder / "ids.csv"
    listed.write_text("PatientID,Pseudonym\nN7,TRIAL-1\n")
    done = lab.run("deidentify", source, out, "--pseudonyms", listed)
    assert done.code == 65
    assert "several issuers" in done.err
    assert not copies(out)
    assert lab.run("deidentify", source / "1", out, "--pseudonyms", listed).code == 0


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
@pytest.mark.parametrize(
    ("source", "target"),
    [("orthanc", "orthanc"), ("orthanc", "dcmqrscp"), ("dcmqrscp", "orthanc")],
)
def test_from_one_real_archive_into_another(lab, key, shared_tools, need_program, source, target):
    need_program("Orthanc", "dcmqrscp")
    lab.nodes.pop("nowhere")
    people = make_people(lab.folder / "people")
    raw = lab.real(source, shared_tools, people, DEST_PORT=str(lab.receiver_port))
    lab.name("pacs", raw.port)
    one = lab.folder / "one"
    save(one, "1.dcm", instance("1.2.999", PatientID="OTHER", AccessionNumber="OTHER"))
    pseudo = lab.real(target, shared_tools, one, DEST_PORT=str(free_ports(1)[0]))
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


def test_what_cannot_be_read_is_said_and_the_others_go_on(lab, key):
    """A damaged file and a deflated one: their copies are missing, and nobody overlooks it."""
    source, out = fill(lab.folder / "in"), lab.folder / "out"
    (source / "broken").write_bytes((source / "1").read_bytes()[:-400])
    deflated = instance(STUDY, 2, 1, **WHO)
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save(source, "deflated", deflated)
    (source / "README.TXT").write_text("no DICOM")
    done = lab.run("deidentify", source, out, "--json")
    assert done.code == 65
    assert sum(done.report["answer"]["not_read"].values()) == 3
    assert "2 files or folders could not be read" in done.report["message"]
    assert len(done.report["warnings"]) == 1
    assert len(copies(out)) == 2
