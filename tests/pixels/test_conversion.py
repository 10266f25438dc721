"""Lossless conversion: the same elements, the same words, or the instance stays as it came."""

import io
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from disc_sets import data_set_of, received
from pydicom.data import get_testdata_file
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID

from mkiso.core.byte_source import HeaderError
from mkiso.core.conversion_plan import Conversion, Step
from mkiso.core.file_meta import encode_file_meta
from mkiso.core.media_profiles import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS_SV1,
)
from mkiso.disc.file_meta import parse_file_meta
from mkiso.pixels import conversion
from mkiso.pixels.conversion import NotLosslessError, converted
from mkiso.pixels.conversion_jobs import convert_instances

IMPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"


def body_of(name):
    content = Path(get_testdata_file(name, download=False)).read_bytes()
    meta = parse_file_meta(content)
    return content[meta.size_bytes :], meta.transfer_syntax_uid


def as_file(body, syntax):
    return pydicom.dcmread(io.BytesIO(encode_file_meta("1.2", "1.3", syntax) + body))


def convert(name, target):
    body, syntax = body_of(name)
    return as_file(converted(body, UID(syntax), UID(target)), target)


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_implicit.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
    ],
)
def test_every_encoding_of_one_image_becomes_the_same_plain_image(name):
    plain = pydicom.dcmread(get_testdata_file("MR_small.dcm", download=False))
    found = convert(name, EXPLICIT_VR_LITTLE_ENDIAN)
    assert np.array_equal(found.pixel_array, plain.pixel_array)
    assert found.PatientName == plain.PatientName
    assert found.SOPInstanceUID


@pytest.mark.parametrize("target", [JPEG_LOSSLESS_SV1, JPEG_2000_LOSSLESS])
@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "MR_small_implicit.dcm", "examples_rgb_color.dcm", "SC_rgb_rle_2frame.dcm"],
)
def test_compression_keeps_every_pixel_and_every_other_element(name, target):
    original = pydicom.dcmread(get_testdata_file(name, download=False))
    found = convert(name, target)
    assert found.file_meta.TransferSyntaxUID == target
    assert np.array_equal(found.pixel_array, original.pixel_array)
    for element in original:
        if element.tag not in (0x7FE00010, 0x00280004, 0x00280006) and element.tag.element:
            assert found[element.tag].value == element.value


@pytest.mark.peers
@pytest.mark.parametrize("name", ["CT_small.dcm", "SC_rgb_rle_2frame.dcm"])
def test_dcmtk_reads_our_lossless_jpeg_as_the_original(name, tmp_path, need_program):
    need_program("dcmdjpeg")
    body, syntax = body_of(name)
    new = converted(body, UID(syntax), UID(JPEG_LOSSLESS_SV1))
    original = as_file(body, syntax)
    packed, plain = tmp_path / "packed.dcm", tmp_path / "plain.dcm"
    meta = encode_file_meta(
        str(original.SOPClassUID), str(original.SOPInstanceUID), JPEG_LOSSLESS_SV1
    )
    packed.write_bytes(meta + new)
    subprocess.run(["dcmdjpeg", str(packed), str(plain)], check=True, timeout=60)
    found = pydicom.dcmread(plain)
    assert np.array_equal(found.pixel_array, original.pixel_array)
    assert found.SOPInstanceUID == original.SOPInstanceUID


def test_private_elements_are_encoded_anew_without_a_change():
    original = data_set_of("CT_small.dcm")
    private = [element for element in original if element.tag.is_private]
    assert len(private) > 100
    buffer = DicomBytesIO()
    buffer.is_little_endian = buffer.is_implicit_VR = True
    write_dataset(buffer, original)
    new = converted(buffer.getvalue(), UID(IMPLICIT), UID(EXPLICIT_VR_LITTLE_ENDIAN))
    found = as_file(new, EXPLICIT_VR_LITTLE_ENDIAN)
    for element in private:
        assert found[element.tag].value == element.value


def test_unused_bits_survive():
    """Old overlays lie in the bits above Bits Stored; a decoder that masks them loses them."""
    data_set = data_set_of("MR_small_implicit.dcm")
    words = np.frombuffer(data_set.PixelData, "<u2").copy()
    data_set.BitsStored, data_set.HighBit, data_set.PixelRepresentation = 12, 11, 0
    words &= 0x0FFF
    words[::7] |= 0x8000
    data_set.PixelData = words.tobytes()
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data_set, enforce_file_format=False)
    content = stream.getvalue()
    start = parse_file_meta(content).size_bytes
    new = converted(content[start:], UID(IMPLICIT), UID(EXPLICIT_VR_LITTLE_ENDIAN))
    found = as_file(new, EXPLICIT_VR_LITTLE_ENDIAN)
    assert found.PixelData == words.tobytes()


def test_text_in_an_odd_character_set_keeps_its_bytes():
    data_set = data_set_of("MR_small_implicit.dcm", PatientName="MXXler")
    data_set.SpecificCharacterSet = "ISO_IR 100"
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data_set, enforce_file_format=False)
    body = stream.getvalue().replace(b"MXXler", b"M\xff\x81ler")
    start = parse_file_meta(body).size_bytes
    body = body[start:]
    assert b"M\xff\x81ler" in body
    assert b"M\xff\x81ler" in converted(body, UID(IMPLICIT), UID(EXPLICIT_VR_LITTLE_ENDIAN))


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("liver_1frame.dcm", JPEG_LOSSLESS_SV1),  # one bit a pixel
        ("rtplan.dcm", JPEG_2000_LOSSLESS),  # no pixels
        ("image_dfl.dcm", EXPLICIT_VR_LITTLE_ENDIAN),
    ],
)
def test_what_cannot_be_converted_is_refused(name, target):
    body, syntax = body_of(name)
    with pytest.raises((ValueError, NotLosslessError, HeaderError, RuntimeError)):
        converted(body, UID(syntax), UID(target))


def test_a_sign_that_only_the_data_set_knows_is_kept():
    """JPEG 2000 of CT as it is in the field: signed pixels, an unsigned codestream."""
    name = "J2K_pixelrep_mismatch.dcm"
    original = pydicom.dcmread(get_testdata_file(name, download=False)).pixel_array
    assert original.min() < 0
    assert np.array_equal(convert(name, EXPLICIT_VR_LITTLE_ENDIAN).pixel_array, original)


def test_where_the_second_decoder_does_not_take_it_the_first_one_checks(monkeypatch):
    real, asked = conversion._by, []

    def picky(name, data_set, indices):
        asked.append(name)
        if name == "gdcm":
            raise RuntimeError
        return real(name, data_set, indices)

    monkeypatch.setattr(conversion, "_by", picky)
    assert convert("MR_small_jpeg_ls_lossless.dcm", EXPLICIT_VR_LITTLE_ENDIAN)
    assert asked == ["pyjpegls", "gdcm", "pyjpegls", ""]  # made, checked; the new one is native


def test_what_no_decoder_reads_is_said_in_words():
    with pytest.raises(NotLosslessError, match="no decoder that is installed can read its pixels"):
        convert("JPEG-lossy.dcm", EXPLICIT_VR_LITTLE_ENDIAN)


def test_big_endian_pixels_of_32_bits_are_refused():
    body, syntax = body_of("rtdose_expb.dcm")
    assert syntax == BIG
    with pytest.raises(NotLosslessError, match="two readings"):
        converted(body, UID(syntax), UID(EXPLICIT_VR_LITTLE_ENDIAN))


def test_a_codec_that_changes_one_pixel_is_caught(monkeypatch):
    real = conversion._decompressed

    def careless(data_set, beat):
        changes = real(data_set, beat)
        value = bytearray(changes[0x7FE00010].value)
        value[1000] ^= 1
        changes[0x7FE00010] = changes[0x7FE00010]._replace(value=bytes(value))
        return changes

    monkeypatch.setattr(conversion, "_decompressed", careless)
    body, syntax = body_of("MR_small_RLE.dcm")
    with pytest.raises(NotLosslessError, match="frame 1 would have other pixels"):
        converted(body, UID(syntax), UID(EXPLICIT_VR_LITTLE_ENDIAN))


# --- in worker processes


def test_instances_are_converted_or_kept_with_a_reason(tmp_path):
    levels = {}
    names = ("MR_small_RLE.dcm", "liver_1frame.dcm", "CT_small.dcm", "rtplan.dcm")
    instances = [
        received(tmp_path, n, data_set_of(name), levels) for n, name in enumerate(names, 1)
    ]
    steps = (
        Step(EXPLICIT_VR_LITTLE_ENDIAN),
        Step(JPEG_LOSSLESS_SV1, EXPLICIT_VR_LITTLE_ENDIAN),
        Step(EXPLICIT_VR_LITTLE_ENDIAN),
        Step(instances[3].transfer_syntax_uid, problem="because"),
    )
    (tmp_path / "new").mkdir()
    ticks = []
    results = list(
        convert_instances(
            zip(instances, steps, strict=True), tmp_path / "new", lambda *t: ticks.append(t)
        )
    )
    (rle, done), (liver, kept), (ct, untouched), (_, because) = results
    assert done == Conversion(rle.sop_instance_uid, "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1")
    assert rle.path.read_bytes()[:132] == bytes(128) + b"DICM"
    assert rle.path.stat().st_size == rle.size_bytes
    assert rle.header.record_type == "IMAGE"
    assert kept.problem.startswith("it cannot be converted without loss")
    assert liver is instances[1]
    assert (ct, untouched) == (instances[2], None)
    assert because.problem == "because"
    assert ticks


def test_a_worker_that_cannot_read_the_file_is_an_error(tmp_path):
    instance = received(tmp_path, 1, data_set_of("MR_small_RLE.dcm"), {})
    instance.path.unlink()
    (tmp_path / "new").mkdir()
    with pytest.raises(OSError, match="No such file"):
        list(
            convert_instances(
                [(instance, Step(EXPLICIT_VR_LITTLE_ENDIAN))], tmp_path / "new", lambda *_: None
            )
        )
