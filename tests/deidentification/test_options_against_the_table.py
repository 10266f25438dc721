"""The option columns of Table E.1-1 of PS3.15 2026c, on every real file."""

import io
import warnings
from datetime import datetime, timedelta
from pathlib import Path

import pydicom
import pytest
from received import split_file

from mkiso.core.byte_source import EXPLICIT_LITTLE, ByteSource, HeaderError
from mkiso.core.deidentification import deidentified, subject_of
from mkiso.core.deidentification_rules import make_rules, parse_profile
from mkiso.core.element_walk import Stretch
from mkiso.core.header import ENCODINGS
from mkiso.core.pseudonyms import Pseudonyms
from mkiso.storage.deidentification_files import read_table

DATA = Path(__file__).parents[3] / "shared" / "data"
FACTS = Path(__file__).with_name("table_e1_1.txt")
pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        not DATA.is_dir(), reason="no folder of real DICOM files beside the project"
    ),
]
PSEUDONYMS = Pseudonyms(b"k" * 32)
DEFLATED = "1.2.840.10008.1.2.1.99"
#: Files of which pydicom reads something else than is there.
ASTRAY = {"GH179A.dcm", "GH364.dcm"}
#: Option, section of the facts: what the option keeps.
KEEPING = [
    ("retain-uids", "uids=K"),
    ("retain-device-identity", "device-identity=K"),
    ("retain-institution-identity", "institution-identity=K"),
    ("retain-patient-characteristics", "patient-characteristics=K"),
    ("retain-full-dates", "dates=K/C"),
]


def section(name):
    found, inside = set(), False
    for line in FACTS.read_text().splitlines():
        if line.startswith(("[", "#")):
            inside = line == f"[{name}]"
        elif inside:
            found |= {int(word, 16) for word in line.split()}
    return found


def real_data():
    for path in sorted(DATA.rglob("*")):
        if path.is_file() and "DICOMDIR" not in path.name and path.name not in ASTRAY:
            found = split_file(path)
            if found and found[1] != DEFLATED:
                yield path, *found


def copy_of(data, syntax, profile):
    encoding = ENCODINGS.get(syntax, EXPLICIT_LITTLE)
    source = ByteSource(data, lambda at, n: data[at : at + n], len(data))
    subject = subject_of(
        source, encoding, lambda who, of, _: PSEUDONYMS.person(who.decode("latin-1"), str(of))
    )
    rules = make_rules(read_table(), parse_profile(profile))
    pieces = deidentified(source, encoding, rules, PSEUDONYMS, subject)
    assert all(isinstance(part, (bytes, Stretch)) or part.pattern == b"\0" for part in pieces.parts)
    return b"".join(
        part if isinstance(part, bytes)
        else data[part.start : part.stop] if isinstance(part, Stretch)
        else bytes(part.size_bytes)
        for part in pieces.parts
    ), subject  # fmt: skip


def elements(data, syntax):
    """The elements of the top level, by tag; those that pydicom cannot convert left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pydicom.filereader.read_dataset(
            io.BytesIO(data), syntax == "1.2.840.10008.1.2", syntax != "1.2.840.10008.1.2.2"
        )
        read = {}
        for tag in found.keys():  # noqa: SIM118 - of a data set
            try:
                read[int(tag)] = found[tag]
            except Exception:  # noqa: BLE001, PERF203 - pydicom raises what it likes
                continue
    return read


def pairs(profile):
    count = 0
    for path, data, syntax in real_data():
        try:
            content, subject = copy_of(data, syntax, profile)
            old, new = elements(data, syntax), elements(content, syntax)
        except (HeaderError, OSError, ValueError):
            continue
        count += 1
        yield path, old, new, subject
    assert count > 600


@pytest.mark.parametrize(("option", "name"), KEEPING)
def test_what_an_option_keeps_is_as_it_was(option, name):
    kept = section(name)
    assert kept
    checked = 0
    for path, old, new, _ in pairs(option):
        for tag in kept & old.keys():
            if old[tag].VR != "SQ":
                assert str(new[tag].value) == str(old[tag].value), (path, old[tag].tag)
                checked += 1
    assert checked > 50


def test_modified_dates_are_earlier_by_the_days_of_the_patient():
    checked = 0
    for path, old, new, subject in pairs("retain-modified-dates"):
        for tag in section("dates=K/C") & old.keys():
            before = str(old[tag].value)
            if old[tag].VR == "TM" and old[tag].value:
                assert str(new[tag].value) == before, path
            elif old[tag].VR == "DA" and len(before) == 8 and before.isdigit():
                try:
                    day = datetime.strptime(before, "%Y%m%d")  # noqa: DTZ007 - a day
                except ValueError:
                    continue
                moved = day - timedelta(days=subject.person.days)
                assert str(new[tag].value) == moved.strftime("%Y%m%d"), path
                checked += 1
    assert checked > 300


def test_cleaned_descriptions_have_only_words_that_were_there():
    checked = 0
    for path, old, new, subject in pairs("clean-descriptors"):
        for tag in section("descriptors=C") & old.keys() & new.keys():
            if old[tag].VR in ("LO", "SH", "ST", "LT", "UT") and old[tag].value:
                before, after = str(old[tag].value), str(new[tag].value)
                left = iter(before)
                assert after == "REMOVED" or all(c in left for c in after if c != " "), path
                for token in subject.tokens:
                    if len(token) > 5 and token.isalnum():
                        assert token.decode("latin-1").lower() not in after.lower().split(), path
                checked += 1
    assert checked > 300


def test_what_an_option_does_not_keep_is_not_kept():
    """With every retaining option the names and numbers of the patient go all the same."""
    profile = ",".join(option for option, _ in KEEPING)
    for path, old, new, _ in pairs(profile):
        for tag in (0x00100010, 0x00100020, 0x00100030, 0x00101000, 0x00101040, 0x00080050):
            if tag in old and old[tag].value:
                assert tag not in new or str(new[tag].value) != str(old[tag].value), path
