"""Texts that want to be more than text, in every field of the data sets and of the job."""

import csv
import io
from collections import Counter
from html.parser import HTMLParser

import pycdlib
import pytest
from whole_jobs import instance, save

from mkiso.core.job import Institution

#: Attributes of text, and the room their VR has (PS3.5 6.2).
FIELDS = {
    "PatientName": 64, "PatientID": 64, "IssuerOfPatientID": 64, "StudyID": 16,
    "StudyDescription": 64, "SeriesDescription": 64, "ProtocolName": 64, "Modality": 16,
    "BodyPartExamined": 16, "InstitutionName": 64, "ReferringPhysicianName": 64,
    "PatientComments": 200, "ImageComments": 200, "Manufacturer": 64, "OperatorsName": 64,
    "PatientSex": 16, "PatientAge": 4, "SeriesNumber": 12, "ContentLabel": 16,
}  # fmt: skip
#: Of those the ones that have no character set: ASCII whatever else.
CODES = ("Modality", "BodyPartExamined", "PatientSex", "PatientAge", "ContentLabel")
PLAIN = "Plain text"
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)//",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "&lt;b&gt; &amp; {{ 7*7 }} {% raw %}",
    "]]>--><!--",
    "=HYPERLINK(1)",
    "\u202egnp.exe\u2066",
    "a\r\nb\x00c\x1b]0;title\x07",
)


class Structure(HTMLParser):
    """Elements with the names of their attributes; texts and links apart."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.elements, self.links, self.text = Counter(), set(), []

    def handle_starttag(self, tag, attributes):
        self.elements[(tag, *sorted(name for name, _ in attributes))] += 1
        self.links |= {value for name, value in attributes if name in ("src", "href")}

    def handle_data(self, data):
        self.text.append(data)

    handle_startendtag = handle_starttag


def files_on(image):
    """Path to content of all files but the instances."""
    iso = pycdlib.PyCdlib()
    iso.open(str(image))
    found = {}
    try:
        for folder, _, names in iso.walk(joliet_path="/"):
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                if not path.startswith("/DICOM/"):
                    content = io.BytesIO()
                    iso.get_file_from_iso_fp(content, joliet_path=path)
                    found[path] = content.getvalue()
    finally:
        iso.close()
    return found


def disc_of(lab, text, name):
    """Make a disc whose every text is `text`; return its files."""
    values = {keyword: text[:room] for keyword, room in FIELDS.items()}
    values.update(
        {k: v.encode("ascii", "replace").decode() for k, v in values.items() if k in CODES}
    )
    values.update(SeriesNumber=1, SpecificCharacterSet="ISO_IR 192")
    number = name[:16]
    made = instance(study=f"1.9.{len(name)}", AccessionNumber=number, **values)
    made["PatientID"].value = f"{len(name)}{text}"[:64]
    lab.archive.rescan(save(lab.images, name, made))
    result = lab.make(
        number,
        check=False,
        requested_by=text,
        institution=Institution(name=text, contact=text, privacy_notice=text),
    )
    assert result.code == 0, result.message
    assert all(line.isprintable() for line in result.log.splitlines())
    (image,) = lab.output.glob(f"{number}.iso")
    return files_on(image)


def structure_of(files):
    page = Structure()
    page.feed(files["/INDEX.HTM"].decode())
    return page


@pytest.mark.fault("F50")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_text_becomes_an_element_a_link_or_a_script(lab):
    lab.start()
    plain = structure_of(disc_of(lab, PLAIN, "P"))
    for number, text in enumerate(HOSTILE):
        files = disc_of(lab, text, "H" * (number + 2))
        page = structure_of(files)
        # a name with '=' has more groups, each an element of a kind that is there anyway
        assert set(page.elements) <= set(plain.elements), text
        assert page.links == plain.links, text
        if text.isprintable():
            assert text[:64] in " ".join(page.text) or text[:16] in " ".join(page.text)
        for path, content in files.items():
            if path.upper().endswith((".HTM", ".HTML", ".JS")):
                assert b"<script>alert" not in content, (path, text)
                assert b"onerror=alert(1)>" not in content, (path, text)


@pytest.mark.fault("F50")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nothing_on_a_disc_runs_by_itself(lab):
    lab.start()
    names = {path.upper() for path in disc_of(lab, PLAIN, "P")}
    assert not [n for n in names if n.endswith((".EXE", ".BAT", ".CMD", ".COM", ".VBS", ".LNK"))]
    assert not [n for n in names if "AUTORUN" in n]
    for path, content in disc_of(lab, "=1+1", "QQ").items():
        if path.upper().endswith(".CSV"):
            for row in csv.reader(io.StringIO(content.decode())):
                assert not [cell for cell in row if cell[:1] in ("=", "+", "@")]
