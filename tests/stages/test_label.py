"""Labels and robot jobs: what they say, and that other programs read them."""

import dataclasses
import math
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from disc_sets import data_set_of, plan, received
from finishing import Finishing

from mkiso.core.label import label_of
from mkiso.core.model import ViewerContent
from mkiso.disc.label_files import (
    ROBOTS,
    RobotSide,
    label_svg,
    write_label,
    write_robot_job,
)
from mkiso.disc.label_pdf import label_pdf
from mkiso.errors import ConfigError, UsageError
from mkiso.stages import label as labelling


@pytest.fixture
def file_set(tmp_path):
    instances = [received(tmp_path, 1, data_set_of("CT_small.dcm"), {})]
    return dataclasses.replace(
        plan(instances), accession_numbers=("A1",), set_number=2, set_of=3, number=2, of=3
    )


def label(file_set, **changes):
    made = label_of(file_set, institution="St. Mary's & Sons <X>", made_on="2026-02-03")
    return dataclasses.replace(made, **changes)


def test_a_label_says_what_ihe_asks_for(file_set):
    made = label(file_set)
    assert made.patient == "Müller, Jörg 米勒, 約克"
    assert (made.patient_id, made.birth_date) == ("4711", "1970-01-01")
    assert made.studies == "2004-01-19 CT"
    assert made.kind == "DICOM ONLY"
    assert made.fields[-1] == ("disc", "Disc 2 of 3")
    viewed = dataclasses.replace(file_set, viewer=ViewerContent(1, 10))
    assert label(viewed).kind == "DICOM PLUS WEB"


def test_the_svg_is_well_formed_and_escapes_its_text(file_set):
    root = ET.fromstring(label_svg(label(file_set, patient="<script>&")))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "<script>&" in texts
    assert "St. Mary's & Sons <X>" in texts
    assert "Disc 2 of 3" in texts
    assert root.get("width") == "120mm"


LONG = {
    "patient": "Wolfeschlegelsteinhausenbergerdorff-Müller, Hubert Blaine",
    "institution": "Universitätsklinikum Hamburg-Eppendorf, Klinik für Radiologie",
    "studies": ", ".join(f"2026-01-{day} CT" for day in range(10, 20)),
    "accession_numbers": "A123456789012345, B123456789012345, C123456789012345",
    "number": 12,
    "of": 13,
}


def test_no_line_of_an_svg_runs_over_the_edge_or_the_hub(file_set):
    root = ET.fromstring(label_svg(label(file_set, **LONG)))
    texts = list(root.iter("{http://www.w3.org/2000/svg}text"))
    assert len(texts) == 10
    for each in texts:
        size = float(each.get("font-size"))
        assert size >= 2  # it can still be read
        check_place(float(each.get("x")), float(each.get("y")), size, 0.6 * size * len(each.text))


def test_no_line_of_a_pdf_runs_over_the_edge_or_the_hub(file_set):
    content = label_pdf(label(file_set, **LONG))
    lines = re.findall(rb"/F. ([\d.]+) Tf ([\d.]+) ([\d.]+) Td \((.*)\) Tj", content)
    assert len(lines) == 10
    for points in lines:
        size, left, up = (float(number) / 72 * 25.4 for number in points[:3])
        y = 120 - up
        middle = 60 if left < 60 and not 50 < y < 70 else 20.5 if left < 60 else 99.5
        check_place(middle, y, size, 2 * (middle - left))


def check_place(x, y, size, width):
    """Assert that a line with its middle at x, y lies on the disc and beside its hub."""
    for height in (y, y - 0.7 * size):
        reach = max(abs(x - width / 2 - 60), abs(x + width / 2 - 60))
        assert math.hypot(reach, height - 60) < 58.5
        nearest = max(0.0, abs(x - 60) - width / 2)
        assert math.hypot(nearest, height - 60) > 22.5


def test_the_pdf_is_read_by_another_program(file_set, tmp_path):
    made = label(file_set, patient="Müller, (Jörg) \\")
    content = label_pdf(made)
    assert content.startswith(b"%PDF-1.4")
    offset = int(content.rsplit(b"startxref\n", 1)[1].split()[0])
    assert content[offset : offset + 4] == b"xref"
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext is not installed")
    (tmp_path / "a.pdf").write_bytes(content)
    done = subprocess.run(
        ["pdftotext", str(tmp_path / "a.pdf"), "-"], capture_output=True, check=True, timeout=60
    )
    assert "Müller, (Jörg) \\" in done.stdout.decode()
    assert b"Error" not in done.stderr


def test_every_place_in_the_pdfs_table_is_an_object(file_set):
    content = label_pdf(label(file_set, patient="A"))
    table = content[content.index(b"xref\n") :].split(b"\n")[3:9]
    for number, row in enumerate(table, 1):
        assert content[int(row[:10]) :].startswith(b"%d 0 obj" % number)


#: Keys and values as the manuals name them: PTBurn SDK 3, 2.1; TD Bridge Reference Guide, 4.
JOBS = {
    "primera": (
        ".JRQ",
        {
            "JobID": "A1",
            "ClientID": "mkiso",
            "Importance": "4",
            "ImageFile": r"\\server\discs\A1.iso",
            "ImageType": "MODE_1_2048",
            "Copies": "2",
            "CloseDisc": "YES",
            "VerifyDisc": "YES",
            "RejectIfNotBlank": "YES",
            "DeleteFiles": "NO",
        },
    ),
    "epson": (
        ".JDF",
        {
            "JOB_ID": "A1",
            "COPIES": "2",
            "DISC_TYPE": "CD",
            "IMAGE": r"\\server\discs\A1.iso",
            "CLOSE_DISC": "YES",
            "COMPARE": "YES",
        },
    ),
}


def robot_job(made, image, robot, **there):
    image.write_bytes(bytes(2048))
    path = write_robot_job(made, image, robot, there=RobotSide(**there), copies=2, mode=0o600)
    text = path.read_bytes().decode("cp1252")
    assert text.endswith("\r\n")
    return path, [tuple(part.strip() for part in line.split("=", 1)) for line in text.splitlines()]


@pytest.mark.parametrize("robot", JOBS)
def test_a_robot_gets_the_keys_of_its_manual(file_set, tmp_path, robot):
    ending, wanted = JOBS[robot]
    path, lines = robot_job(
        label(file_set), tmp_path / "A1.iso", robot, folder="\\\\server\\discs\\"
    )
    assert lines == list(wanted.items())  # and no label: no robot prints our PDF or SVG
    assert path.name == f"A1{ending}"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob(".*.part"))


def test_a_primera_design_gets_its_merge_fields_in_order(file_set, tmp_path):
    made = label(file_set, patient="Müller, Jörg")
    _, lines = robot_job(made, tmp_path / "A1.iso", "primera", design=r"C:\labels\a.STD")
    assert ("PrintLabel", r"C:\labels\a.STD") in lines
    assert [value for key, value in lines if key == "MergeField"] == [v for _, v in made.fields]
    _, lines = robot_job(made, tmp_path / "A1.iso", "primera", design=r"C:\labels\logo.jpg")
    assert "MergeField" not in dict(lines)


def test_an_epson_design_gets_a_file_of_names_and_values(file_set, tmp_path):
    made = label(file_set, patient="Müller, Jörg")
    _, lines = robot_job(
        made, tmp_path / "A1.iso", "epson", folder="//server/discs", design=r"C:\a.tdd"
    )
    assert lines[-2:] == [
        ("LABEL", r"C:\a.tdd"),
        ("REPLACE_FIELD", "//server/discs/A1.fields.txt"),
    ]
    fields = (tmp_path / "A1.fields.txt").read_bytes().decode("cp1252").splitlines()
    assert fields[0] == "patient=Müller, Jörg"
    assert fields[-1] == "disc=Disc 2 of 3"


def test_letters_that_windows_has_not_in_ansi_are_written_as_unicode(file_set, tmp_path):
    image = tmp_path / "A1.iso"
    image.write_bytes(bytes(2048))
    write_robot_job(label(file_set), image, "epson", there=RobotSide(), copies=1, mode=0o600)
    assert "patient=Müller, Jörg 米勒, 約克" in (tmp_path / "A1.fields.txt").read_text("utf-16")


@pytest.mark.parametrize("robot", ROBOTS)
def test_a_jobs_name_is_one_that_the_robot_takes_and_nobody_elses(file_set, tmp_path, robot):
    names = ("A.1", "A_1", "A.1.INCOMPLETE", "x" * 60, "x" * 59 + "y")
    ids = {robot_job(label(file_set), tmp_path / f"{name}.iso", robot)[1][0][1] for name in names}
    assert len(ids) == len(names)
    for each in ids:
        assert re.fullmatch(r"[A-Za-z0-9_-]+", each)
        assert len(each) <= ROBOTS[robot].most_letters


@pytest.mark.parametrize("settings", [{"deliver_as": "folder"}, {"encrypt": "phrase"}])
def test_a_robot_is_given_nothing_but_images(tmp_path, settings):
    run = Finishing(tmp_path, robot="epson", **settings)
    with pytest.raises(UsageError, match="A robot burns images"):
        labelling.require_templates(run.job)


def test_a_published_disc_gets_what_was_asked_for(tmp_path):
    run = Finishing(tmp_path, label="svg", robot="primera")
    disc = run.publish()
    labelling.run([disc], [run.file_set], run.context, made_on="2026-02-03")
    names = {path.name for path in disc.path.parent.iterdir() if path.is_file()}
    stem = disc.path.stem
    assert {f"{stem}.label.svg", f"{stem}.JRQ", f"{stem}.fields.txt"} <= names
    assert f"ImageFile = {disc.path.resolve()}\n" in disc.path.with_suffix(".JRQ").read_text()


def test_the_label_of_a_folder_with_a_dot_in_its_name_keeps_the_name(file_set, tmp_path):
    (tmp_path / "A.1").mkdir()
    path = write_label(label(file_set), tmp_path / "A.1", "svg", mode=0o600)
    assert path.name == "A.1.label.svg"


def test_label_and_job_have_the_permissions_of_their_image(tmp_path):
    run = Finishing(tmp_path, label="svg", robot="epson", image_mode=0o640)
    umask = os.umask(0o077)
    try:
        disc = run.publish()
        labelling.run([disc], [run.file_set], run.context, made_on="2026-02-03")
    finally:
        os.umask(umask)
    for ending in (".iso", ".label.svg", ".JDF", ".fields.txt"):
        assert disc.path.with_suffix(ending).stat().st_mode & 0o777 == 0o640


def test_letters_that_pdf_has_not_make_an_svg(tmp_path):
    run = Finishing(tmp_path, label="pdf")  # the patient's name has an ideographic group
    disc = run.publish()
    labelling.run([disc], [run.file_set], run.context, made_on="2026-02-03")
    assert disc.path.with_suffix(".label.svg").exists()
    assert "SVG" in run.warned[-1]


def test_without_being_asked_nothing_is_written(tmp_path):
    run = Finishing(tmp_path)
    disc = run.publish()
    before = set(disc.path.parent.iterdir())
    labelling.run([disc], [run.file_set], run.context, made_on="2026-02-03")
    assert set(disc.path.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "settings"),
    [("label/LABEL.SVG", {"label": "svg"}), ("robot/EPSON.JDF", {"robot": "epson"})],
)
def test_a_broken_template_is_found_before_the_archive_is_asked(tmp_path, name, settings):
    broken = tmp_path / "site" / name
    broken.parent.mkdir(parents=True)
    broken.write_text("{{ label.nmae }}")
    run = Finishing(tmp_path, templates_folder=tmp_path / "site", **settings)
    with pytest.raises(ConfigError, match=name.rsplit("/", 1)[1]):
        labelling.require_templates(run.job)
    labelling.require_templates(run.with_job(templates_folder=None).job)
