"""Labels and robot jobs: what they say, and that other programs read them."""

import dataclasses
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from disc_sets import data_set_of, plan, received
from finishing import Finishing

from mkiso.core.label import label_of
from mkiso.core.model import ViewerContent
from mkiso.disc.label_files import label_svg, write_robot_job
from mkiso.disc.label_pdf import label_pdf
from mkiso.errors import ConfigError
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
    assert made.fields[-1] == "Disc 2 of 3"
    viewed = dataclasses.replace(file_set, viewer=ViewerContent(1, 10))
    assert label(viewed).kind == "DICOM PLUS WEB"


def test_the_svg_is_well_formed_and_escapes_its_text(file_set):
    root = ET.fromstring(label_svg(label(file_set, patient="<script>&")))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "<script>&" in texts
    assert "St. Mary's & Sons <X>" in texts
    assert "Disc 2 of 3" in texts
    assert root.get("width") == "120mm"


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


@pytest.mark.parametrize(
    ("robot", "ending", "wanted"),
    [
        ("primera", ".JRQ", ("ImageFile = {image}", "Copies = 2", "MergeField = Disc 2 of 3")),
        ("epson", ".JDF", ("IMAGE={image}", "COPIES=2", "DISC_TYPE=CD", "REPLACE_FIELD=")),
    ],
)
def test_a_robot_gets_its_job_and_the_label_data(file_set, tmp_path, robot, ending, wanted):
    image = tmp_path / "A1.iso"
    image.write_bytes(bytes(2048))
    made = label(file_set, patient="Bad\nMergeField")
    made = dataclasses.replace(made, patient="Müller")
    path = write_robot_job(made, image, robot, label_file=None, copies=2, mode=0o600)
    text = path.read_bytes().decode()
    assert path.name == f"A1{ending}"
    for line in wanted:
        assert line.format(image=image) in text
    assert text.endswith("\r\n")
    assert "LABEL" not in text.upper().replace("REPLACE_FIELD", "")
    assert path.stat().st_mode & 0o777 == 0o600
    fields = (tmp_path / "A1.fields.txt").read_bytes().decode("utf-8-sig").splitlines()
    assert fields[0] == "Müller"
    assert not list(tmp_path.glob(".*.part"))


def test_a_published_disc_gets_what_was_asked_for(tmp_path):
    run = Finishing(tmp_path, label="svg", robot="primera")
    disc = run.publish()
    labelling.run([disc], [run.file_set], run.context, made_on="2026-02-03")
    names = {path.name for path in disc.path.parent.iterdir() if path.is_file()}
    stem = disc.path.stem
    assert {f"{stem}.label.svg", f"{stem}.JRQ", f"{stem}.fields.txt"} <= names
    assert f"PrintLabel = {disc.path.parent}/{stem}.label.svg" in (
        disc.path.with_suffix(".JRQ").read_text()
    )


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
