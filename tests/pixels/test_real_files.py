"""Real files: the stored values that reach the page are those that pydicom reads."""

import shutil
import subprocess
import warnings
from pathlib import Path

import pydicom
import pytest
from pixels.reference_decoder import decode
from pydicom.encaps import generate_frames
from received import bundled_files, split_file

from mkiso.core.byte_source import HeaderError
from mkiso.core.viewer_values import read_values
from mkiso.pixels.instance_payload import InstancePayload
from mkiso.pixels.spool import Spool
from mkiso.pixels.unshowable import UnshowableError

#: Frames looked at of one file: the first ones and the last.
FEW = 3

# Files of which nothing or one frame cannot be shown, and the reason the page gets.
TILES = {
    "GH1146.dcm": "truncated",  # an empty Pixel Data element
    "JPEG2000-embedded-sequence-delimiter.dcm": "decoder_failed",  # SIZ was overwritten
    "meta_missing_tsyntax.dcm": "pixel_format",
    "nested_priv_SQ.dcm": "pixel_format",  # 2 bytes of pixels without rows and columns
    "video_mpeg2_endoscopic.dcm": "video_format",
}
# No whole data set: the receiver refuses them, the page gets a tile if they come in another way.
UNREADABLE = {
    "GH1339.dcm",
    "GH179B.dcm",
    "MR_truncated.dcm",
    "emri_small_jpeg_2k_lossless_too_short.dcm",
    "image_dfl.dcm",  # deflated as a whole, which is not accepted
    "rtplan_truncated.dcm",
}
# What pydicom alone does not decode, and what shows that it is right here.
ONLY_HERE = {
    "JPEG-lossy.dcm": "12-bit JPEG, test_twelve_bit_jpeg_is_what_dcmtk_decodes",
    "JPGExtended.dcm": "12-bit JPEG, test_twelve_bit_jpeg_is_what_dcmtk_decodes",
    "MR1_JPLY": "12-bit JPEG, test_twelve_bit_jpeg_is_what_dcmtk_decodes",
    "GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm": "test_a_private_sequence",
    "badVR.dcm": "NumberOfFrames is no number",
    "liver_deflate.dcm": "test_one_segmentation_is_the_same_in_every_syntax",
    "liver_nonbyte_aligned_deflate.dcm": "test_one_segmentation_is_the_same_in_every_syntax",
    "liver_nonbyte_aligned_rle.dcm": "test_one_segmentation_is_the_same_in_every_syntax",
    "liver_rle.dcm": "test_one_segmentation_is_the_same_in_every_syntax",
}


class Payload:
    """What the page gets of one file."""

    def __init__(self, path, folder):
        data_set, self.syntax = split_file(path)
        self.values = read_values(
            data_set[:65536], lambda o, n: data_set[o : o + n], len(data_set), self.syntax
        )
        spool = Spool(folder, Path(path).name)
        self.described, self.frames = {}, []
        events = InstancePayload(spool).events(
            self.values, self.syntax, lambda o, n: data_set[o : o + n]
        )
        for letter, content in events:
            if letter == "I":
                self.described = content
            else:
                self.frames.append(content)
        self._texts = (folder / f"{spool.name}.spool").read_bytes()

    def decoded(self, index):
        frame = self.frames[index]
        _, at, lengths = frame["spool"]
        parts = []
        for length in lengths:
            parts.append(self._texts[at : at + length])
            at += length
        return decode(frame, {**self.described, **frame}, parts)


def as_pydicom_reads(path):
    """The frames of a file, colours as RGB; None when pydicom does not decode them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data_set = pydicom.dcmread(path)
            array = data_set.pixel_array
            single = array.ndim == (2 if int(data_set.get("SamplesPerPixel") or 1) == 1 else 3)
        except Exception:  # noqa: BLE001 - whatever its decoders raise
            return None
    return array[None] if single else array


def compressed_frames(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(path)
        count = int(data_set.get("NumberOfFrames") or 1)
        return list(generate_frames(data_set.PixelData, number_of_frames=count))


def check_file(path, folder):
    """Compare one file; return what was found of it."""
    try:
        payload = Payload(path, folder)
    except HeaderError:
        return "unreadable"
    except UnshowableError as error:
        return error.code
    if payload.described.get("kind") != "image":
        return payload.described["kind"]
    expected = as_pydicom_reads(path)
    codings = {frame["coding"] for frame in payload.frames}
    if "none" in codings:
        return next(f["reason"]["code"] for f in payload.frames if f["coding"] == "none")
    if expected is None:
        payload.decoded(0)
        return "only here"
    if "jpeg" in codings:
        streams = compressed_frames(path)
        assert [payload.decoded(n) for n in range(len(streams))] == streams
        return "jpeg"
    assert len(payload.frames) == len(expected)
    for index in sorted({*range(min(FEW, len(expected))), len(expected) - 1}):
        found = payload.decoded(index)
        assert found.shape == expected[index].shape
        assert (found == expected[index]).all(), f"frame {index}"
    return "same"


def check_all(paths, folder):
    outcomes = {}
    for number, path in enumerate(paths):
        if split_file(path) is None:
            continue
        place = folder / str(number)
        place.mkdir()
        outcomes[path] = check_file(path, place)
        shutil.rmtree(place)
    return outcomes


def check_outcomes(outcomes):
    for path, outcome in outcomes.items():
        name = path.name
        if name in UNREADABLE:
            assert outcome == "unreadable", name
        elif name in TILES:
            assert outcome == TILES[name], name
        elif name in ONLY_HERE:
            assert outcome == "only here", name
        elif outcome in {"class", "truncated"}:
            assert not has_pixels(path), name
        else:
            assert outcome in {"same", "jpeg", "report", "waveform", "document"} | {
                "key_objects",
                "presentation_state",
            }, name


def has_pixels(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(path)
    return any(k in data_set for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))


def test_bundled_files_reach_the_page_as_pydicom_reads_them(tmp_path):
    outcomes = check_all(bundled_files(), tmp_path)
    check_outcomes(outcomes)
    found = list(outcomes.values())
    assert found.count("same") > 40
    assert found.count("jpeg") > 2


@pytest.mark.data
@pytest.mark.slow
def test_real_files_reach_the_page_as_pydicom_reads_them(tmp_path, shared_data):
    paths = sorted(p for p in shared_data.rglob("*") if p.is_file() and p.suffix != ".tsv")
    outcomes = check_all(paths, tmp_path)
    check_outcomes(outcomes)
    found = list(outcomes.values())
    assert found.count("same") > 450
    assert found.count("jpeg") > 15


@pytest.mark.data
def test_one_segmentation_is_the_same_in_every_syntax(tmp_path, shared_data):
    folder = next(shared_data.rglob("liver_deflate.dcm")).parent
    for width in ("liver", "liver_nonbyte_aligned"):
        native = as_pydicom_reads(folder / f"{width}.dcm")
        for kind in ("deflate", "rle", "j2k"):
            payload = Payload(folder / f"{width}_{kind}.dcm", tmp_path)
            assert len(payload.frames) == len(native)
            for index, frame in enumerate(native):
                assert (payload.decoded(index) == frame).all()


@pytest.mark.data
@pytest.mark.peers
def test_twelve_bit_jpeg_is_what_dcmtk_decodes(tmp_path, shared_data, need_program):
    need_program("dcmdjpeg")
    for name in ("JPEG-lossy.dcm", "JPGExtended.dcm", "MR1_JPLY"):
        path = next(shared_data.rglob(name))
        target = tmp_path / f"{name}.plain"
        subprocess.run(["dcmdjpeg", path, target], check=True, capture_output=True)
        expected = as_pydicom_reads(target)[0]
        assert (Payload(path, tmp_path).decoded(0) == expected).all()


@pytest.mark.data
@pytest.mark.peers
def test_a_private_sequence_in_another_encoding_is_stepped_over(
    tmp_path, shared_data, need_program
):
    need_program("dcmconv")
    path = next(shared_data.rglob("GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm"))
    target = tmp_path / "converted.dcm"
    subprocess.run(["dcmconv", "+te", path, target], check=True, capture_output=True)
    expected = as_pydicom_reads(target)[0]
    assert (Payload(path, tmp_path).decoded(0) == expected).all()


@pytest.mark.data
@pytest.mark.slow
def test_real_slices_take_less_than_35_percent(tmp_path, shared_data, record_property):
    """CT and MR of 16 bits; where anonymisation put noise in place of the image it is no slice."""
    raw = packed = slices = 0
    for path in sorted(shared_data.rglob("*")):
        if not path.is_file() or "dicom2nifti" in str(path) or path.suffix == ".tsv":
            continue
        if split_file(path) is None:
            continue
        place = tmp_path / str(slices) / path.name
        place.parent.mkdir(exist_ok=True)
        try:
            payload = Payload(path, place.parent)
        except (HeaderError, UnshowableError, FileExistsError):
            continue
        if payload.values.text("Modality") not in {"CT", "MR"}:
            continue
        for frame in payload.frames:
            if frame.get("sample") in {"i16", "u16"}:
                slices += 1
                raw += 2 * payload.described["rows"] * payload.described["columns"]
                packed += sum(frame["spool"][2]) * 3 / 4
    record_property("slices", slices)
    record_property("share of raw", round(packed / raw, 4))
    assert slices > 150
    assert packed < 0.35 * raw
