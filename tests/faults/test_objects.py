"""Whole jobs of odd objects: all kinds, gaps, names, character sets, hostile texts."""

import html
import io
import os
import warnings

import pydicom
import pytest
from whole_jobs import instance, save

from mkiso.disc.iso_reader import read_iso

#: SOP class, modality, directory record type (PS3.3 Annex F.4, PS3.4 B.5).
KINDS = (
    ("1.2.840.10008.5.1.4.1.1.88.33", "SR", "SR DOCUMENT"),
    ("1.2.840.10008.5.1.4.1.1.88.59", "KO", "KEY OBJECT DOC"),
    ("1.2.840.10008.5.1.4.1.1.11.1", "PR", "PRESENTATION"),
    ("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT", "RT STRUCTURE SET"),
    ("1.2.840.10008.5.1.4.1.1.481.5", "RTPLAN", "RT PLAN"),
    ("1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE", "RT DOSE"),
    ("1.2.840.10008.5.1.4.1.1.104.1", "DOC", "ENCAP DOC"),
    ("1.2.840.10008.5.1.4.1.1.77.1.4.1", "XC", "IMAGE"),
    ("1.2.840.10008.5.1.4.1.1.9.1.1", "ECG", "WAVEFORM"),
    ("1.2.840.10008.5.1.4.1.1.66", "OT", "RAW DATA"),
    ("1.2.840.10008.5.1.4.1.1.66.4", "SEG", "IMAGE"),
    ("1.2.840.10008.5.1.4.1.1.66.1", "REG", "REGISTRATION"),
    ("1.2.840.10008.5.1.4.1.1.67", "RWV", "VALUE MAP"),
    ("1.3.12.2.1107.5.9.1", "OT", "PRIVATE"),
)  # fmt: skip


def file_on(disc, name):
    with disc.open("rb") as file:
        files = read_iso(file.fileno()).primary.files
        extents = next(where for path, where in files.items() if path.strip("/") == name)
        return b"".join(os.pread(file.fileno(), size, offset) for offset, size in extents)


def records_on(disc):
    """Directory record type -> records, read by pydicom."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pydicom.dcmread(io.BytesIO(file_on(disc, "DICOMDIR")))
        kinds = {}
        for record in found.DirectoryRecordSequence:
            kinds.setdefault(record.DirectoryRecordType, []).append(record)
    return kinds


@pytest.mark.fault("F44", "F29")
def test_every_kind_of_object_has_its_directory_record(lab):
    for number, (sop_class, modality, record_type) in enumerate(KINDS, 2):
        ds = instance(series=number, SOPClassUID=sop_class, Modality=modality)
        if record_type == "PRIVATE":  # with pixels it would be an IMAGE
            del ds.Rows, ds.Columns, ds.PixelData
        save(lab.images, f"k{number}", ds)
    lab.start()
    result = lab.make()
    assert result.code == 0, result.report
    (disc,) = result.discs
    kinds = records_on(disc)
    for _, _, record_type in KINDS:
        assert record_type in kinds, record_type
    leaves = sum(map(len, kinds.values())) - sum(
        len(kinds[each]) for each in ("PATIENT", "STUDY", "SERIES")
    )
    assert leaves == 3 + len(KINDS) == len(result.on_disc)


@pytest.mark.fault("F45")
def test_gaps_are_filled_in_the_directory_alone(lab):
    gaps = dict.fromkeys(
        ("StudyID", "StudyDate", "StudyTime", "SeriesNumber", "InstanceNumber", "Modality"), ""
    )
    for number, change in enumerate((gaps, {"PatientID": ""}, {"PatientName": ""}), 2):
        ds = instance(number=number, series=9, **change)
        save(lab.images, f"gap{number}", ds)
    ds = instance(number=5, series=9)
    for keyword in (*gaps, "AccessionNumber"):
        if keyword != "AccessionNumber":
            delattr(ds, keyword)
    path = save(lab.images, "absent", ds)
    before = path.read_bytes()
    lab.start()
    result = lab.make()
    assert result.code == 0, result.report
    assert len(result.on_disc) == 7
    assert "made up" in result.warnings or "DICOMDIR" in result.warnings
    assert path.read_bytes() == before


NAMES = (
    "Quux^Zebulon^Maria^Prof.^III",
    "Q" * 64 + "^" + "Z" * 64,
    "^" * 30,
    "=" * 2,
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "Ünïcödé^Ωmega=中文^名=ㄅㄆㄇ",
)


@pytest.mark.fault("F47")
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_is_on_the_disc_as_it_came(lab, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = instance(study="1.8", AccessionNumber="N1", PatientName=name,
                      SpecificCharacterSet="ISO_IR 192")  # fmt: skip
        save(lab.images, "named", ds)
    lab.start()
    result = lab.make("N1")
    assert result.code == 0, result.report
    (patient,) = records_on(result.discs[0])["PATIENT"]
    first = str(patient.PatientName).split("=")[0].strip("^ ")
    assert first[:64] == name.split("=")[0].strip("^ ")[:64]


CHARACTER_SETS = (
    ("ISO_IR 100", "Müller^Jörg"),
    ("ISO_IR 144", "Люксембург"),
    ("GB18030", "Wang^XiaoDong=王^小东"),
    ("ISO 2022 IR 87", "Yamada^Tarou"),
    ("ISO_IR 192", "ΑΒΓ"),
    ("ISO_IR 999", "Bogus"),
    ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
)


@pytest.mark.fault("F48")
def test_character_sets_may_be_mixed_and_bogus(lab):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, (charset, text) in enumerate(CHARACTER_SETS, 2):
            ds = instance(series=number, SpecificCharacterSet=charset.split("\\"))
            ds.SeriesDescription = text[:60]
            save(lab.images, f"c{number}", ds)
        lab.start()
        result = lab.make()
    assert result.code == 0, result.report
    assert len(result.on_disc) == 3 + len(CHARACTER_SETS)
    page = html.unescape(file_on(result.discs[0], "INDEX.HTM").decode())
    assert "Müller" in page
    assert "Люкс" in page


HOSTILE = (
    "<script>alert(1)</script>", "</script><img src=x onerror=1>", '"><svg onload=1>', "' onx='",
    "=cmd|' /C calc'!A0", "{{7*7}}", "{%raw%}", "%s%n", "\u202egnp.exe", "${jndi:ldap://x}",
)  # fmt: skip


@pytest.mark.fault("F50")
def test_hostile_texts_are_text_and_nothing_else(lab):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, text in enumerate(HOSTILE, 2):
            ds = instance(series=number, SpecificCharacterSet="ISO_IR 192")
            ds.SeriesDescription = ds.StudyDescription = ds.PatientComments = text
            save(lab.images, f"h{number}", ds)
    lab.start()
    result = lab.make(requested_by="<b>clerk</b>\r\nX: y")
    assert result.code == 0, result.report
    page = file_on(result.discs[0], "INDEX.HTM").decode()
    for text in HOSTILE:
        if any(character in text for character in "<>\"'"):
            assert text not in page
    assert "<img" not in page
    assert "onload=1>" not in page
    assert "<script>alert" not in page
    assert "\r" not in result.log
    assert all("\n" not in line for line in result.said)


@pytest.mark.fault("F50")
def test_line_ends_and_escapes_in_what_an_archive_says_reach_no_log(lab, archive):
    def on_find(_level, answers):
        return [[*keys[:-1], (keys[-1][0], keys[-1][1], b"x\r\nfake line\x1b[2J")]
                for keys in answers]  # fmt: skip

    archive.on_find = on_find
    result = lab.make()
    assert "\r" not in result.log
    assert "\x1b" not in result.log
    assert "\nfake line" not in result.log
