"""Plain data sets made of packed and of big endian ones: the same pixels, the same attributes."""

import io
import threading
import warnings

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID
from received import IMPLICIT, bundled, split_file

from mkiso.errors import DataError
from mkiso.pixels.decode import decoded_data_set

EXPLICIT = "1.2.840.10008.1.2.1"
PLAIN = (EXPLICIT, IMPLICIT)


def read(data, syntax):
    """Read a data set without the code under test: as a part 10 file of pydicom."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    implicit = syntax == IMPLICIT
    found = pydicom.filereader.read_dataset(io.BytesIO(data), implicit, True)
    return pydicom.dataset.FileDataset("x", found, b"", meta, implicit, True)


@pytest.mark.parametrize("target", PLAIN)
@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "JPEG2000.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "SC_rgb_rle_2frame.dcm",
        "rtdose_rle.dcm",
        "MR_small_bigendian.dcm",
        "SC_rgb_small_odd_big_endian.dcm",  # 8 bits in words
        "CT_small.dcm",
        "MR_small_implicit.dcm",
    ],
)
@pytest.mark.filterwarnings("ignore")  # of values in pydicom's files
def test_pixels_are_identical_and_no_attribute_is_lost(name, target):
    data, syntax = split_file(bundled(name))
    original = pydicom.dcmread(bundled(name))
    plain = read(decoded_data_set(data, syntax, target), target)
    assert np.array_equal(plain.pixel_array, original.pixel_array)
    assert set(original.keys()) <= set(plain.keys())
    for keyword in ("SOPInstanceUID", "PatientName", "Rows", "PatientID", "StudyInstanceUID"):
        assert plain.get(keyword) == original.get(keyword)


@pytest.mark.parametrize("name", ["test-SR.dcm", "waveform_ecg.dcm", "rtplan.dcm"])
def test_what_has_no_pixels_is_converted_too(name):
    data, syntax = split_file(bundled(name))
    plain = read(decoded_data_set(data, syntax, IMPLICIT), IMPLICIT)
    assert set(pydicom.dcmread(bundled(name)).keys()) == set(plain.keys())


@pytest.mark.filterwarnings("ignore")
def test_words_are_turned_as_in_the_little_endian_twin():
    data, syntax = split_file(bundled("MR_small_bigendian.dcm"))
    little, _ = split_file(bundled("MR_small.dcm"))
    plain = read(decoded_data_set(data, syntax, EXPLICIT), EXPLICIT)
    assert plain.PixelData == read(little, EXPLICIT).PixelData


def test_pixels_with_two_readings_are_not_guessed():
    data, syntax = split_file(bundled("rtdose_expb_1frame.dcm"))
    with pytest.raises(DataError, match=r"1\.2\.840\.10008\.1\.2\.2"):
        decoded_data_set(data, syntax, EXPLICIT)


@pytest.mark.parametrize("cut", [0, 100, 2000])
def test_what_cannot_be_decoded_is_a_data_error_without_values(cut):
    data, syntax = split_file(bundled("JPEG2000.dcm"))
    with pytest.raises(DataError) as caught:
        decoded_data_set(data[:cut], syntax, EXPLICIT)
    assert "CompressedSamples" not in caught.value.message


def test_warnings_of_other_threads_are_left_as_they_were():
    data, syntax = split_file(bundled("MR_small_RLE.dcm"))
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=decoded_data_set, args=(data, syntax, EXPLICIT)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before
