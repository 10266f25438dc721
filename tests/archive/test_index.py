"""The index over a folder: what is read, what is not read again, what is forgotten."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from mkiso.archive import folder_scan
from mkiso.archive.attributes import BY_TAG, KEPT, UNIQUE_KEY, Level, kept_at
from mkiso.archive.folder_scan import INDEX_NAME, update
from mkiso.archive.index import DAMAGED, DUPLICATE, NOT_DICOM, Condition, Index
from mkiso.archive.server import EmbeddedArchive, open_index
from mkiso.errors import CantCreateError


@pytest.fixture
def read_paths(monkeypatch) -> list[Path]:
    """Which files are read, while they are."""
    paths: list[Path] = []
    read = folder_scan.read_stored_file

    def noting(path: Path):
        paths.append(path)
        return read(path)

    monkeypatch.setattr(folder_scan, "read_stored_file", noting)
    return paths


def opened(folder: Path) -> Index:
    index = Index(folder, folder / INDEX_NAME)
    update(index, folder)
    return index


def instances(index: Index) -> list[str]:
    return sorted(i.sop_instance_uid for i in index.stored(()))


def test_an_unchanged_folder_is_not_read_again(folder, read_paths) -> None:
    (folder / "notes.txt").write_text("no image")
    opened(folder).close()
    assert len(read_paths) == 7
    index = opened(folder)
    assert len(read_paths) == 7
    assert index.contents().instances == 6
    index.close()


def test_new_changed_and_vanished_files_are_noticed(folder, read_paths, lab) -> None:
    opened(folder).close()
    lab.save(folder, "new", lab.make("1.2.9"))
    lab.save(folder, "a/1", lab.make("1.2.3", "1", "1", StudyDescription="changed"))
    (folder / "c/1").unlink()
    read_paths.clear()
    index = opened(folder)
    assert sorted(p.name for p in read_paths) == ["1", "new"]
    assert "1.2.9.1.1" in instances(index)
    assert "1.2.5.1.1" not in instances(index)
    assert [row[-1] for row in index.select(Level.PATIENT, [BY_TAG[0x00100020]], ())] == ["P1"]
    index.close()


def test_a_moved_folder_keeps_its_index(folder, read_paths) -> None:
    opened(folder).close()
    read_paths.clear()
    moved = folder.rename(folder.with_name("moved"))
    index = opened(moved)
    assert read_paths == []
    assert all(i.path.is_file() for i in index.stored(()))
    index.close()


def test_what_is_no_instance_is_counted_by_reason(folder, lab) -> None:
    (folder / "text").write_text("x")
    (folder / "DICOMDIR").write_bytes((folder / "a/1").read_bytes())
    (folder / "cut").write_bytes((folder / "a/1").read_bytes()[:-100])
    shutil.copy(folder / "a/2", folder / "zz-copy")
    no_uid = lab.make("1.2.9")
    del no_uid.StudyInstanceUID
    lab.save(folder, "no-uid", no_uid)
    contents_index = opened(folder)
    contents = contents_index.contents()
    assert contents.skipped == {NOT_DICOM: 1, DAMAGED: 2, DUPLICATE: 1}
    assert contents.instances == 6
    contents_index.close()


def test_the_copy_is_served_when_the_first_file_of_an_instance_is_gone(folder) -> None:
    shutil.copy(folder / "a/2", folder / "zz-copy")
    opened(folder).close()
    (folder / "a/2").unlink()
    index = opened(folder)
    (stored,) = index.stored((Condition("SOPInstanceUID", ("1.2.3.1.2",)),))
    assert stored.path == folder / "zz-copy"
    index.close()


def test_one_study_uid_under_two_patients_is_two_studies(folder, lab) -> None:
    lab.save(folder, "d", lab.make("1.2.3", "7", "1", PatientID="P9"))
    index = opened(folder)
    uid, patient = BY_TAG[0x0020000D], BY_TAG[0x00100020]
    rows = index.select(Level.STUDY, [uid, patient], (Condition("StudyInstanceUID", ("1.2.3",)),))
    assert [row[-2:] for row in rows] == [("1.2.3", "P1"), ("1.2.3", "P9")]
    index.close()


@pytest.mark.parametrize("damage", ["noise", "other version", "half"])
def test_a_bad_index_is_made_anew(folder, damage: str) -> None:
    opened(folder).close()
    path = folder / INDEX_NAME
    if damage == "noise":
        path.write_bytes(os.urandom(8192))
    elif damage == "half":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 7")
            connection.execute("DROP TABLE series")
        connection.close()
    index = opened(folder)
    assert index.contents().instances == 6
    index.close()


def test_a_folder_that_cannot_be_written_gets_an_index_in_memory(folder) -> None:
    (folder / INDEX_NAME).mkdir()  # works for root, too, whom permissions do not stop
    index, path = open_index(folder, None)
    update(index, folder)
    assert path is None
    assert index.contents().instances == 6
    index.close()


def test_a_named_index_that_cannot_be_written_is_an_error(folder) -> None:
    with pytest.raises(CantCreateError):
        EmbeddedArchive(folder, index_file=folder / "no" / "such" / "index")


def test_a_missing_folder_is_an_error(tmp_path) -> None:
    with pytest.raises(CantCreateError):
        EmbeddedArchive(tmp_path / "nothing")


def test_links_to_folders_are_not_followed_in_circles(folder) -> None:
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    index = opened(folder)
    assert index.contents().instances == 6
    index.close()


def test_odd_file_names_are_served(folder, lab) -> None:
    name = os.fsencode(folder) + b"/\xff\xfe odd \xe4"
    path = lab.save(folder, "tmp", lab.make("1.2.9"))
    path.rename(os.fsdecode(name))
    index = opened(folder)
    (stored,) = index.stored((Condition("StudyInstanceUID", ("1.2.9",)),))
    assert stored.path.is_file()
    index.close()


def test_deflated_and_big_endian_files_are_read(folder, lab) -> None:
    big = lab.make("1.2.8", syntax="1.2.840.10008.1.2.2")
    big["PixelData"].VR = "OW"
    lab.save(folder, "big", big)
    lab.save(folder, "deflated", lab.make("1.2.9", syntax="1.2.840.10008.1.2.1.99"))
    index = opened(folder)
    rows = index.select(
        Level.IMAGE,
        [BY_TAG[0x00280010], BY_TAG[0x00083002]],
        (Condition("StudyInstanceUID", ("1.2.8", "1.2.9")),),
    )
    assert [row[-2:] for row in rows] == [
        ("16", "1.2.840.10008.1.2.2"),
        ("16", "1.2.840.10008.1.2.1.99"),
    ]
    index.close()


def test_the_table_of_attributes_agrees_with_the_data_dictionary() -> None:
    from pydicom.datadict import dictionary_VR, keyword_for_tag  # noqa: PLC0415

    for attribute in BY_TAG.values():
        assert keyword_for_tag(attribute.tag) == attribute.keyword
        assert dictionary_VR(attribute.tag) == attribute.vr
    assert len({a.tag for a in KEPT}) == len(KEPT)
    for level, keyword in UNIQUE_KEY.items():
        assert keyword in {a.keyword for a in kept_at(level)}


@pytest.mark.data
def test_the_real_files_are_indexed_whole_and_fast(shared_data, tmp_path) -> None:
    index = Index(shared_data, tmp_path / "index")
    update(index, shared_data)
    contents = index.contents()
    files = sum(1 for p in shared_data.rglob("*") if p.is_file() and p.name.upper() != "DICOMDIR")
    assert contents.instances + sum(contents.skipped.values()) == files
    assert contents.instances > 500
    index.close()
