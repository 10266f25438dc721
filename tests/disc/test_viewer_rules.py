"""The judge looks at the viewer: one fault at a time, each found and named."""

import json
import re
import shutil

import numpy as np
import pytest
from pixels.pixel_objects import image, ramp
from received import BASIC_TEXT_SR, BIG_ENDIAN, CT, bundled, data_set, split_file
from viewer_discs import Disc

from mkiso.core.checksums import CHECKSUMS
from mkiso.disc.read_back import check_folder

HEAD = 'if(typeof document!=="undefined"&&window.MKISO)MKISO.'


def contents():
    slices = [
        image(ramp(40, 30, "i2") - 500 + n, n, sop_class=CT, InstanceNumber=n, BitsStored=12,
              HighBit=11, PixelRepresentation=1)
        for n in (1, 2, 3)
    ]  # fmt: skip
    colour = np.random.default_rng(1).integers(0, 256, (20, 30, 3)).astype("u1")
    pdf = data_set(
        "1.2.840.10008.5.1.4.1.1.104.1", 7, SeriesInstanceUID="1.2.3.7", Modality="DOC",
        MIMETypeOfEncapsulatedDocument="application/pdf", EncapsulatedDocument=b"%PDF-1.4 xx",
    )  # fmt: skip
    report = data_set(BASIC_TEXT_SR, 8, SeriesInstanceUID="1.2.3.8", Modality="SR")
    return [*slices, image(colour, 9, SeriesInstanceUID="1.2.3.9", Modality="US"), pdf, report]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewer")
    return Disc(folder / "work", contents()).write(folder / "disc")


@pytest.fixture
def disc(good, tmp_path):
    """A copy that may be damaged; without check sums, which would find everything."""
    shutil.copytree(good, tmp_path / "disc")
    (tmp_path / "disc" / CHECKSUMS).unlink()
    return tmp_path / "disc"


def errors(folder):
    return {finding.id for finding in check_folder(folder).errors}


def viewer_errors(folder):
    return {found for found in errors(folder) if found.startswith("viewer.")}


def series_of(disc, modality):
    manifest = arguments(disc / "VIEWER/MANIFEST.JS")[0]
    return next(name for name, s in manifest["series"].items() if s["modality"] == modality)


def arguments(path):
    text = path.read_text("ascii")
    call = re.compile(re.escape(HEAD) + r"\w+\((.*)\);\n", re.DOTALL)
    return json.loads(f"[{call.fullmatch(text)[1]}]")


def change(path, edit):
    """Change the arguments of a script by a function."""
    function = path.read_text("ascii").removeprefix(HEAD).partition("(")[0]
    given = arguments(path)
    edit(given)
    text = ",".join(json.dumps(each, separators=(",", ":")) for each in given)
    path.write_text(f"{HEAD}{function}({text});\n", "ascii")


def test_a_disc_of_ours_has_no_fault(good):
    assert errors(good) == set()
    assert (good / "VIEWER/DOCS/D0001.PDF").read_bytes().startswith(b"%PDF")


def test_compressed_and_odd_files_have_no_fault(tmp_path):
    names = ("JPEG2000.dcm", "MR_small_RLE.dcm", "examples_rgb_color.dcm", "liver_1frame.dcm",
             "waveform_ecg.dcm", "rtplan.dcm")  # fmt: skip
    big = (image(ramp(20, 10), 77, syntax=BIG_ENDIAN), BIG_ENDIAN)
    many = [big, *(split_file(bundled(name)) for name in names)]
    disc = Disc(tmp_path / "work", many, per_patient=True, same_patient=True)
    for number, plan in enumerate(disc.plans):
        assert viewer_errors(disc.write(tmp_path / str(number), plan)) == set()


def test_a_disc_without_viewer_is_not_asked_for_one(disc):
    shutil.rmtree(disc / "VIEWER")
    assert viewer_errors(disc) == set()


def test_the_viewer_of_somebody_else_is_let_alone(disc):
    (disc / "VIEWER/MANIFEST.JS").write_text("window.x = 1;")
    assert viewer_errors(disc) == set()


@pytest.mark.parametrize("file", ["C0000.JS", "INDEX.JS"])
def test_a_missing_file_is_a_fault(disc, file):
    (disc / "VIEWER" / series_of(disc, "CT") / file).unlink()
    expected = {"viewer.file-missing", "viewer.pixels"}
    if file == "INDEX.JS":
        expected = {"viewer.unreadable", "viewer.instance-missing", "viewer.orphan"}
    assert viewer_errors(disc) == expected


def test_a_missing_document_is_a_fault(disc):
    (disc / "VIEWER/DOCS/D0001.PDF").unlink()
    assert viewer_errors(disc) == {"viewer.file-missing"}


@pytest.mark.parametrize("where", ["VIEWER/MANIFEST.JS", "INDEX.JS"])
@pytest.mark.parametrize("text", [HEAD, HEAD + "manifest({});\n", HEAD + "series(1,2);\n"])
def test_a_damaged_script_is_a_fault(disc, where, text):
    path = disc / where if "/" in where else disc / "VIEWER" / series_of(disc, "CT") / where
    path.write_text(text, "ascii")
    assert "viewer.unreadable" in viewer_errors(disc)


def test_pixels_of_another_slice_are_a_fault(disc):
    """The frame decodes and has its sum: it is the other image that the person would see."""
    folder = disc / "VIEWER" / series_of(disc, "CT")

    def swap(given):
        instances = given[1]["instances"]
        instances[0]["frames"], instances[1]["frames"] = (
            instances[1]["frames"], instances[0]["frames"],
        )  # fmt: skip

    change(folder / "INDEX.JS", swap)
    assert viewer_errors(disc) == {"viewer.pixels"}


@pytest.mark.parametrize("modality", ["CT", "US"])
def test_pixels_that_were_changed_are_a_fault(disc, modality):
    folder = disc / "VIEWER" / series_of(disc, modality)
    index = arguments(folder / "INDEX.JS")[1]
    middle = index["instances"][len(index["instances"]) // 2]["frames"][0]["at"][0][1]
    number = (middle + 1) % len(arguments(folder / "C0000.JS")[2])
    other = arguments(folder / "C0000.JS")[2][number]
    if number == middle:
        other = other[:40] + ("A" if other[40] != "A" else "B") + other[41:]
    change(folder / "C0000.JS", lambda given: given[2].__setitem__(middle, other))
    assert "viewer.pixels" in viewer_errors(disc)


def test_a_wrong_sum_is_a_fault(disc):
    path = disc / "VIEWER" / series_of(disc, "CT") / "INDEX.JS"
    change(path, lambda g: [i["frames"][0].update(sum=1) for i in g[1]["instances"]])
    assert viewer_errors(disc) == {"viewer.pixels"}


def test_an_instance_under_another_name_is_a_fault(disc):
    path = disc / "VIEWER" / series_of(disc, "CT") / "INDEX.JS"
    change(path, lambda g: g[1]["instances"][0].update(uid="1.2.3.4.99"))
    assert viewer_errors(disc) == {"viewer.instance-wrong"}


def test_an_instance_that_the_viewer_lacks_is_a_fault(disc):
    path = disc / "VIEWER" / series_of(disc, "CT") / "INDEX.JS"
    change(path, lambda g: g[1]["instances"].pop())
    assert viewer_errors(disc) == {"viewer.instance-missing"}


def test_an_instance_that_is_there_twice_is_a_fault(disc):
    path = disc / "VIEWER" / series_of(disc, "CT") / "INDEX.JS"
    change(path, lambda g: g[1]["instances"].append(g[1]["instances"][0]))
    assert "viewer.instance-twice" in viewer_errors(disc)


def test_a_frame_in_no_chunk_is_a_fault(disc):
    path = disc / "VIEWER" / series_of(disc, "CT") / "INDEX.JS"
    change(path, lambda g: g[1]["instances"][0]["frames"][0].update(at=[[1, 0]]))
    assert viewer_errors(disc) == {"viewer.place"}


def test_a_file_that_no_series_names_is_a_fault(disc):
    """It could be another patient's."""
    folder = disc / "VIEWER" / series_of(disc, "CT")
    shutil.copy(folder / "C0000.JS", folder / "C0007.JS")
    assert viewer_errors(disc) == {"viewer.orphan"}


def test_another_version_is_said_and_not_judged(disc):
    change(disc / "VIEWER/MANIFEST.JS", lambda given: given[0].update(format=2))
    result = check_folder(disc)
    assert "viewer.format" in {finding.id for finding in result.findings}
    assert viewer_errors(disc) == set()
