"""Real ultrasound with regions, native and compressed: nothing is left of what is outside."""

import warnings

import numpy as np
import pydicom
import pytest
from deidentified import DATA, read, real_files
from pydicom.pixels import pixel_array

from mkiso.cli.main import main

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        not DATA.is_dir(), reason="no folder of real DICOM files beside the project"
    ),
]
LARGEST = 8_000_000


def ultrasounds():
    for path in real_files():
        if path.stat().st_size > LARGEST:
            continue
        try:
            found = read(path.read_bytes())
            regions = found.get("SequenceOfUltrasoundRegions")
        except Exception:  # noqa: BLE001 - pydicom raises what it likes
            continue
        if regions and "PixelData" in found:
            yield path, found, regions


def frames(data_set):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pixel_array(data_set, raw=True)
    many = int(data_set.get("NumberOfFrames", 1) or 1) > 1
    return found if many else found[np.newaxis]


def test_what_is_outside_the_regions_of_real_ultrasound_is_one_colour(tmp_path):
    compressed = 0
    for number, (path, old, regions) in enumerate(ultrasounds()):
        out = tmp_path / str(number)
        code = main(["deidentify", str(path), str(out), "--deidentify", "clean-pixel-data"])
        assert code in (0, 87), path
        if code:  # not to be decoded: refused
            assert old.file_meta.TransferSyntaxUID.is_compressed, path
            continue
        (copy,) = out.rglob("*.dcm")
        made = pydicom.dcmread(copy)
        before, after = frames(old), frames(made)
        inside = np.zeros(before.shape[1:3], bool)
        for each in regions:
            rows = slice(each.RegionLocationMinY0, each.RegionLocationMaxY1 + 1)
            inside[rows, each.RegionLocationMinX0 : each.RegionLocationMaxX1 + 1] = True
        assert not inside.all()
        assert (after[:, inside] == before[:, inside]).all(), path
        outside = after[:, ~inside]
        assert (outside == outside[0, 0]).all(), path
        assert made.BurnedInAnnotation == "NO"
        compressed += old.file_meta.TransferSyntaxUID.is_compressed
    assert number >= 8
    assert compressed >= 4
