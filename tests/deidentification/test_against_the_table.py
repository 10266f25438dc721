"""Every attribute of every real file against Table E.1-1 of PS3.15 2026c.

Nothing here is taken from the program's own table or logic: the facts are in `table_e1_1.txt`, and
pydicom reads both sides.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pydicom
import pytest
from deidentified import (
    BASIC,
    DATA,
    DUMMIES,
    KEY,
    REGISTERED,
    identifying,
    kept_bytes,
    levels,
    read,
    real_files,
    values_of,
)
from pydicom.datadict import dictionary_has_tag, repeater_has_tag
from whole_jobs import free_port

from mkiso.core.job import Job, Node
from mkiso.errors import DataError, RefusedContentError
from mkiso.stages.deidentify import prepare
from mkiso.toolbox.deidentifying import deidentify_all
from mkiso.toolbox.world import World

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),
]
#: What the profile itself writes (PS3.15 E.1.1, PS3.3 C.7.1.1, C.12.1).
WRITTEN = {0x00100010, 0x00100020, 0x00120062, 0x00120063, 0x00120064, 0x00280303}
ACCESSION = 0x00080050


class Run:
    """Files one by one through the program, under one key."""

    def __init__(self, folder, profile="basic", **settings):
        self.folder = folder
        (folder / "key").write_bytes(KEY)
        self.job = Job(
            job_id="test", accession_numbers=(),
            archive=Node("none", "NONE", "127.0.0.1", free_port()),
            output_folder=folder / "out", minimum_free_bytes=0, deidentify=profile,
            deidentify_key=str(folder / "key"), burned_in="keep", **settings,
        )  # fmt: skip
        self.disguise = prepare(self.job)

    def __call__(self, path):
        copies = deidentify_all((path,), self.job, self.disguise, "flat", World())
        (made,) = copies.paths
        content = made.read_bytes()
        made.unlink()
        return content


class Pair(NamedTuple):
    path: Path
    old: pydicom.Dataset
    new: pydicom.Dataset
    content: bytes


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Every real file that is de-identified, with its copy; and how many are not, by why."""
    if not DATA.is_dir():
        pytest.skip("the folder of real DICOM files is not beside the project")
    run = Run(tmp_path_factory.mktemp("real"))
    made, not_made = [], {}
    for path in real_files():
        try:
            content = run(path)
        except (DataError, RefusedContentError) as error:
            not_made[path] = error.message
            continue
        try:
            old = read(path.read_bytes())
            str(old)  # every value is read
        except Exception as error:  # noqa: BLE001 - pydicom raises what it likes
            not_made[path] = f"pydicom cannot read it: {error}"
            continue
        made.append(Pair(path, old, read(content), content))
    return made, not_made


def at(data_set, where):
    for tag, number in where:
        if tag not in data_set or len(data_set[tag].value) <= number:
            return None
        data_set = data_set[tag].value[number]
    return data_set


def is_known(tag):
    return dictionary_has_tag(tag) or repeater_has_tag(tag)


def check(element, new, mapping):
    """What the Basic Profile asks of one attribute at its place; `new` is the copy's data set."""
    tag = int(element.tag)
    action = BASIC.get(tag)
    after = new.get(tag)
    is_odd = element.tag.is_private or not is_known(tag) or tag >> 16 < 8
    if action == "X" or is_odd or tag >> 24 in (0x50, 0x60):  # curves and overlays
        assert after is None
    elif action in ("Z", "X/Z"):
        empty = after is None or after.is_empty or not after.value
        assert empty or (tag == ACCESSION and str(after.value) != str(element.value).strip())
    elif action == "U":
        for old, made in zip(values_of(element), values_of(after), strict=True):
            if old.startswith(REGISTERED) or not old:
                assert made == old
            else:
                assert made != old
                assert re.fullmatch(r"2\.25\.[1-9][0-9]*", made)
                assert mapping.setdefault(old, made) == made
    elif action in ("D", "X/D", "Z/D", "X/Z/D") and element.VR != "SQ":
        if after is not None and not element.is_empty and _raw(element) not in DUMMIES:
            assert _raw(after) != _raw(element)
    elif action is None and element.VR == "PN":
        assert after is None or str(after.value) in ("", "REMOVED")
    elif action is None and element.VR != "SQ":
        assert after is not None
        assert _raw(after) == _raw(element)
    elif element.VR == "SQ":
        assert after is not None
        assert len(after.value) == len(element.value)


def _raw(element):
    value = element.value
    if isinstance(value, bytes):
        return repr(value.rstrip(b"\0 "))
    return str(value).rstrip(" \0")


def test_every_attribute_of_every_real_file_is_as_the_table_says(pairs):
    mapping, checked = {}, 0
    for path, old, new, _ in pairs[0]:
        for where, data_set in levels(old):
            inside = [BASIC.get(tag) for tag, _ in where]
            counterpart = at(new, where)
            if any(tag >> 16 & 1 for tag, _ in where) or {"X", "Z", "X/Z"} & set(inside):
                assert counterpart is None, (path, where)
                continue
            if any(action and "D" in action for action in inside):
                continue  # a dummy item: below
            for element in data_set:
                if int(element.tag) in WRITTEN and not where:
                    continue
                if element.tag.element == 0 or counterpart is None:
                    continue
                try:
                    check(element, counterpart, mapping)
                except AssertionError as error:
                    raise AssertionError(f"{path}: {where} {element.tag}: {error}") from error
                checked += 1
    assert len(set(mapping.values())) == len(mapping)
    assert checked > 30_000
    assert len(pairs[0]) > 500


def test_nothing_of_a_removed_or_dummy_item_stays(pairs):
    """Whatever the table removes is at no level, and items that are dummies hold no old text."""
    for path, _, new, _ in pairs[0]:
        for where, data_set in levels(new):
            for element in data_set:
                assert not element.tag.is_private, path
                assert BASIC.get(int(element.tag)) != "X", (path, where, element.tag)
                is_dummy = any("D" in (BASIC.get(tag) or "") for tag, _ in where)
                if is_dummy and element.VR in ("LO", "LT", "PN", "SH", "ST", "UC", "UT"):
                    assert str(element.value) in ("", "REMOVED"), (path, where, element.tag)


def test_every_copy_says_how_it_was_made(pairs):
    for path, _, new, content in pairs[0]:
        assert new.PatientIdentityRemoved == "YES", path
        assert [code.CodeValue for code in new.DeidentificationMethodCodeSequence] == ["113100"]
        assert new.LongitudinalTemporalInformationModified == "REMOVED"
        assert "2026c" in str(new.DeidentificationMethod)
        assert new.file_meta.MediaStorageSOPInstanceUID == new.SOPInstanceUID
        assert content[:128] == bytes(128)


def test_pixels_are_those_of_before(pairs):
    for path, old, new, _ in pairs[0]:
        if "PixelData" in old:
            assert new["PixelData"].value == old["PixelData"].value, path


def test_no_identifying_string_of_six_characters_is_in_the_bytes_of_a_copy(pairs):
    for path, old, _, content in pairs[0]:
        kept = kept_bytes(old)
        where = content.partition(b"\xe0\x7f\x10\x00")[0]  # before the pixels
        for text in identifying(old):
            if text not in kept:
                assert text not in where, (path, text)


def test_what_is_not_made_is_told_why(pairs):
    reasons = set(pairs[1].values())
    assert all(reasons)
    assert sum("pydicom cannot" in reason for reason in reasons) <= 3
