"""Discs of others as inputs: whatever their directory looks like, what is there is sent."""

import io
import shutil
import warnings
import zipfile

import pydicom
import pytest
from disc_faults import contents_of
from disc_sets import data_set_of, plan, received, write_disc
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from toolbox_lab import data_sets

from mkiso.core.disc_import import Reference, reconcile_disc, safe_path
from mkiso.disc.foreign_directory import find_directory, foreign_references

NAMES = ("CT_small.dcm", "MR_small.dcm", "test-SR.dcm")


@pytest.fixture
def empty(lab):
    folder = lab.folder / "empty"
    folder.mkdir()
    lab.archive("backup", folder=folder)
    return folder


@pytest.fixture(scope="module")
def disc(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    path, file_set, _ = write_disc(folder, NAMES)
    return path.rename(folder / "disc.iso"), contents_of(file_set)


def extracted(contents, folder, spell=lambda name: name):
    for path, content in contents.items():
        place = folder / spell(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder


def uids_of(contents):
    return {
        str(pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True).SOPInstanceUID)
        for path, content in contents.items()
        if path.startswith("DICOM/")
    }


def test_an_image_goes_to_the_node_whole(lab, empty, disc):
    done = lab.run("import-disc", disc[0], "--forward", "backup")
    assert done.code == 0, done.err
    assert set(data_sets(empty)) == uids_of(disc[1])
    assert "backup took 3 instances" in done.out


def test_a_mounted_disc_in_lower_case_and_a_zip_do_as_well(lab, empty, disc, tmp_path):
    folder = extracted(disc[1], tmp_path / "cd", lambda name: f"{name.lower()}")
    assert lab.run("import-disc", folder, "--forward", "backup").code == 0
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        for path, content in disc[1].items():
            made.writestr(path, content)
    assert lab.run("import-disc", tmp_path / "a.zip", "--forward", "backup").code == 0
    assert set(data_sets(empty)) == uids_of(disc[1])


def test_what_the_directory_names_and_is_not_there_ends_with_80(lab, empty, disc, tmp_path):
    contents = dict(disc[1])
    gone = min(path for path in contents if path.startswith("DICOM/"))
    del contents[gone]
    done = lab.run(
        "import-disc", extracted(contents, tmp_path / "cd"), "--forward", "backup", "--json"
    )
    assert done.code == 80
    assert len(data_sets(empty)) == 2
    assert done.report["details"] == list(uids_of(disc[1]) - uids_of(contents))
    assert any("named by DICOMDIR and not on the disc" in w for w in done.report["warnings"])


def test_orphans_are_sent_and_told(lab, empty, disc, tmp_path):
    extra = received(tmp_path, 9, data_set_of("MR_small_RLE.dcm"), {}).path.read_bytes()
    contents = {**disc[1], "MORE/STRAY": extra}
    done = lab.run("import-disc", extracted(contents, tmp_path / "cd"), "--forward", "backup")
    assert done.code == 0, done.err
    assert len(data_sets(empty)) == 4
    assert "1 file is on the disc and not named by DICOMDIR" in done.err


@pytest.mark.parametrize("content", [None, b"", b"nonsense" * 100])
def test_a_disc_without_a_usable_directory_is_sent_all_the_same(
    lab, empty, disc, tmp_path, content
):
    contents = dict(disc[1])
    del contents["DICOMDIR"]
    if content is not None:
        contents["DICOMDIR"] = content
    done = lab.run("import-disc", extracted(contents, tmp_path / "cd"), "--forward", "backup")
    assert done.code == 0, done.err
    assert len(data_sets(empty)) == 3
    assert "every DICOM file on it is sent" in done.err


def test_two_patients_are_not_imported_without_a_person_who_looked(lab, empty, tmp_path):
    levels = {}
    instances = [
        received(tmp_path, 1, data_set_of("CT_small.dcm"), levels),
        received(tmp_path, 2, data_set_of("MR_small.dcm", PatientID="4712"), levels),
    ]
    folder = extracted(contents_of(plan(instances)), tmp_path / "cd")
    done = lab.run("import-disc", folder, "--forward", "backup")
    assert (done.code, data_sets(empty)) == (82, {})
    done = lab.run("import-disc", folder, "--forward", "backup", "--several-patients")
    assert done.code == 0, done.err
    assert len(data_sets(empty)) == 2


def test_nothing_to_import_is_said(lab, empty, tmp_path):
    (tmp_path / "cd").mkdir()
    (tmp_path / "cd" / "A.TXT").write_text("x")
    assert lab.run("import-disc", tmp_path / "cd", "--forward", "backup").code == 65
    assert lab.run("import-disc", tmp_path / "none", "--forward", "backup").code == 66


# --- directories as they are found in the field


def rewritten(content, *, implicit=False, little=True):
    whole = pydicom.dcmread(io.BytesIO(content))
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = implicit, little
    write_dataset(buffer, whole)
    syntax = "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.2"
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    element = b"\x02\x00\x10\x00UI" + len(uid).to_bytes(2, "little") + uid
    head = bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00"
    return head + len(element).to_bytes(4, "little") + element + buffer.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content,
        lambda content: rewritten(content, implicit=True),
        lambda content: rewritten(content, little=False),
        lambda content: content[:140] + b"\x07\0\0\0" + content[144:],  # wrong group length
        lambda content: content.replace(b"\xff\xff\x04\x00\x20\x14", b"\x00\x01\x04\x00\x20\x14"),
    ],
)
def test_directories_in_any_encoding_are_read(disc, change):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        references = foreign_references(change(disc[1]["DICOMDIR"]))
    assert {reference.sop_instance_uid for reference in references} == uids_of(disc[1])


def test_a_directory_in_a_folder_of_the_disc_is_found(disc, tmp_path):
    folder = extracted(disc[1], tmp_path / "cd" / "Patient")
    assert find_directory(folder.parent)[0] == "PATIENT"
    assert find_directory(disc[0])[0] == ""
    shutil.rmtree(folder)
    assert find_directory(folder.parent) is None


@pytest.mark.parametrize(
    ("file_id", "path"),
    [
        (("DICOM", "IM1"), "DICOM/IM1"),
        (("dicom", "im1"), "DICOM/IM1"),
        (("DICOM\\IM1",), "DICOM/IM1"),
        (("DICOM/IM1;1",), "DICOM/IM1"),
        (("\\DICOM\\IM1",), "DICOM/IM1"),
        (("IM1.",), "IM1"),
        (("..", "IM1"), None),
        (("DICOM", "../../etc/passwd"), None),
        (("C:\\IM1",), None),
        (("",), None),
        ((), None),
        (("A\0B",), None),
    ],
)
def test_references_never_lead_out_of_the_disc(file_id, path):
    assert safe_path(file_id) == path


@given(st.lists(st.text(max_size=20), max_size=6))
def test_no_reference_whatever_leads_out_of_the_disc(file_id):
    path = safe_path(file_id)
    if path is not None:
        parts = path.split("/")
        assert not path.startswith("/")
        assert not {"", ".", ".."} & set(parts)


def test_references_find_their_files_whatever_the_extension():
    found = reconcile_disc(
        [Reference(("A", "IM1")), Reference(("A", "IM2"), "1.2"), Reference(("..", "X"))],
        ["A/IM1.DCM", "A/IM3"],
    )
    assert found.found == ("A/IM1.DCM",)
    assert (found.missing, found.missing_uids) == (("A/IM2",), ("1.2",))
    assert (found.orphans, found.unsafe) == (("A/IM3",), 1)


@pytest.mark.data
def test_real_directories_of_many_makers_are_read(shared_data):
    for path in shared_data.rglob("DICOMDIR"):
        if path.is_file():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert foreign_references(path.read_bytes()) is not None, path
