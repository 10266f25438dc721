"""Pictures for people: windows, tables, colours and sizes as pydicom and the standard have them."""

import base64
import struct
import warnings
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut
from received import bundled, split_file

from mkiso.core.viewer_image import image_attributes
from mkiso.core.viewer_values import read_values
from mkiso.pixels.frames import FrameReader
from mkiso.pixels.png import data_uri, encode_png
from mkiso.pixels.preview import small_picture, thumbnail
from mkiso.pixels.rendering import apply_window, fitted, render, scaled

GREY = {"photometric_interpretation": "MONOCHROME2"}


def opened(name):
    content, syntax = split_file(bundled(name))
    values = read_values(content[:65536], lambda o, n: content[o : o + n], len(content), syntax)
    return FrameReader(values, syntax, lambda o, n: content[o : o + n]), image_attributes(values)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("center", "width"), [(40, 400), (0.5, 1.5), (-600, 1500), (100, 2)])
def test_windows_are_those_of_pydicom(function, center, width):
    values = np.arange(-2000, 2000, dtype="i2").reshape(40, 100)
    described = Dataset()
    described.WindowCenter, described.WindowWidth = center, width
    described.VOILUTFunction = function
    described.PhotometricInterpretation = "MONOCHROME2"
    described.BitsStored, described.PixelRepresentation = 16, 1
    with np.errstate(over="ignore"):
        expected = (apply_voi_lut(values, described) + 32768) / 65535
    assert np.allclose(apply_window(values.astype("f8"), center, width, function), expected)


def test_a_window_of_width_one_is_a_step():
    assert apply_window(np.array([9.4, 9.5, 9.6]), 10, 1).tolist() == [0, 0, 1]


def test_rescale_and_window_are_applied_in_turn():
    samples = np.array([[0, 1024, 1064, 2048]], "u2")
    attributes = {
        **GREY,
        "rescale_slope": 1,
        "rescale_intercept": -1024,
        "windows": [{"center": 40, "width": 80}],
    }
    assert render(samples, attributes)[0].tolist() == [0, 0, 129, 255]


def test_a_modality_table_wins_over_the_slope():
    entries = np.array([5, 105, 205], "<u2")
    table = {"first": 10, "entries": 3, "bits": 16, "data": packed(entries)}
    samples = np.array([[0, 10, 11, 12, 500]], "u2")
    attributes = {
        **GREY,
        "modality_lut": table,
        "rescale_slope": 1000,
        "voi_lut_function": "LINEAR_EXACT",
        "windows": [{"center": 127.5, "width": 255}],
    }
    assert render(samples, attributes)[0].tolist() == [5, 5, 105, 205, 205]


def test_a_voi_table_is_applied_without_a_window():
    table = {"first": -2, "entries": 4, "bits": 12, "data": packed([0, 1000, 3000, 4095])}
    samples = np.array([[-9, -2, -1, 0, 1, 7]], "i2")
    found = render(samples, {**GREY, "voi_luts": [table]})[0].tolist()
    assert found == [0, 0, 62, 187, 255, 255]


@pytest.mark.parametrize(
    "attributes",
    [
        {"photometric_interpretation": "MONOCHROME1"},
        {**GREY, "presentation_lut_shape": "INVERSE"},
        {"photometric_interpretation": "MONOCHROME1", "presentation_lut_shape": "INVERSE"},
    ],
)
def test_inversion_happens_once(attributes):
    samples = np.array([[0, 255]], "u1")
    window = {"windows": [{"center": 127.5, "width": 255}], "voi_lut_function": "LINEAR_EXACT"}
    assert render(samples, {**attributes, **window}).tolist() == [[255, 0]]


def test_without_a_window_padding_does_not_count():
    samples = np.full((100, 100), -32768, "i2")
    samples[20:80, 20:80] = np.linspace(100, 200, 3600).reshape(60, 60)
    attributes = {**GREY, "pixel_padding_value": -32768}
    shown = render(samples, attributes)
    assert shown[25, 25] < 30
    assert shown[79, 79] == 255
    assert int(shown[50, 50]) == pytest.approx(128, abs=12)


@pytest.mark.parametrize("values", [[[7, 7], [7, 7]], [[0, 0], [0, 0]], [[-5, -5], [-5, -5]]])
def test_one_value_everywhere_is_black_and_no_error(values):
    assert not render(np.array(values, "i2"), GREY).any()


def test_a_sparse_mask_is_seen():
    mask = np.zeros((200, 200), "u1")
    mask[100, 100] = 1
    shown = render(mask, GREY)
    assert shown[100, 100] == 255
    assert shown.sum() == 255


@pytest.mark.parametrize("name", ["MR_small.dcm", "examples_palette.dcm"])
def test_bundled_images_are_rendered_as_pydicom_does(name):
    reader, attributes = opened(name)
    shown = render(reader.samples(0), attributes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(bundled(name))
        if "palette" in attributes:
            expected = apply_color_lut(data_set.pixel_array, data_set) >> 8
        else:
            modality = apply_modality_lut(data_set.pixel_array, data_set)
            center, width = attributes["windows"][0].values()
            expected = np.rint(apply_window(modality, center, width) * 255)
    assert (shown == expected).all()


def test_deep_colours_are_shown_by_their_upper_bits():
    samples = np.array([[[4095, 2048, 15]]], "u2")
    assert render(samples, {"bits_stored": 12}).tolist() == [[[255, 128, 0]]]


def test_shrinking_takes_means_and_growing_the_nearest():
    picture = np.array([[0, 10, 20, 30], [0, 10, 20, 30]], "u1")
    assert scaled(picture, 1, 2).tolist() == [[5, 25]]
    assert scaled(picture, 2, 8)[0].tolist() == [0, 0, 10, 10, 20, 20, 30, 30]


def test_pictures_have_the_right_aspect():
    assert fitted({"pixel_spacing": [2, 1]}, 100, 100, 96) == (96, 48)
    assert fitted({"pixel_aspect_ratio": [1, 2]}, 100, 100, 96) == (48, 96)
    assert fitted({}, 200, 100, 96) == (96, 48)
    assert fitted({"pixel_spacing": [0, 0]}, 10, 10, 96) == (96, 96)


def test_thumbnails_are_small_png_files():
    reader, attributes = opened("CT_small.dcm")
    uri = thumbnail(reader.samples(0), attributes)
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    assert unpacked_png(content).shape == (96, 96)
    assert small_picture(reader.samples(0), attributes, 64).shape == (64, 64)


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 3), (1, 1)])
def test_png_files_come_back(shape):
    picture = np.random.default_rng(1).integers(0, 256, shape).astype("u1")
    content = encode_png(picture)
    assert (unpacked_png(content) == picture).all()
    assert data_uri(content, "image/png").startswith("data:image/png;base64,iVBOR")


def unpacked_png(content):
    """The picture in a PNG file whose lines are all of filter 2, its check sums looked at."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, body, header = 8, b"", b""
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        name, part = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from(">I", content, at + 8 + length)
        assert zlib.crc32(name + part) == check
        header, body = (part, body) if name == b"IHDR" else (header, body + part)
        at += 12 + length
    columns, rows, depth, kind = struct.unpack_from(">IIBB", header)
    assert depth == 8
    samples = {0: 1, 2: 3}[kind]
    lines = np.frombuffer(zlib.decompress(body), "u1").reshape(rows, columns * samples + 1)
    assert (lines[:, 0] == 2).all()
    picture = np.cumsum(lines[:, 1:], axis=0, dtype="u1").reshape(rows, columns, samples)
    return picture[:, :, 0] if samples == 1 else picture


def packed(entries):
    return base64.b64encode(zlib.compress(np.array(entries, "<u2").tobytes())).decode()
