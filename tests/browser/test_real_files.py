"""Real files of many scanners: the page has what pydicom has, for each way of storing pixels."""

import warnings

import pydicom
import pytest
from browser import viewer_files
from browser.encoded_disc import NOT_COMPARED, compare, write_disc

pytestmark = [pytest.mark.peers, pytest.mark.data, pytest.mark.slow]


def way_of_storing(path):
    """What decides how pixels are decoded, as text; None for what has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except Exception:  # noqa: BLE001 - no DICOM file
            return None
    if "Rows" not in header or "TransferSyntaxUID" not in header.file_meta:
        return None
    keys = ("PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit")
    more = ("PixelRepresentation", "SamplesPerPixel", "PlanarConfiguration", "SOPClassUID")
    parts = [header.file_meta.TransferSyntaxUID, *(header.get(key) for key in keys + more)]
    return " ".join(str(part) for part in [*parts, int(header.get("NumberOfFrames") or 1) > 1])


def test_each_way_of_storing_pixels_reaches_the_page_as_pydicom_reads_it(
    chromium, tmp_path, shared_data, record_property
):
    ways = {}
    for path in sorted(shared_data.rglob("*")):
        if path.is_file() and path.suffix != ".tsv" and path.name not in NOT_COMPARED:
            ways.setdefault(way_of_storing(path), path)
    ways.pop(None, None)
    order = write_disc(ways.values(), tmp_path / "disc", tmp_path / "work")
    viewer_files.protect(tmp_path / "disc")
    chromium.open((tmp_path / "disc" / "INDEX.HTM").as_uri())
    chromium.wait_for("document.documentElement.dataset.viewer === 'ready'")
    compared = [compare(chromium, f"S{number:05d}", path) for number, path in enumerate(order, 1)]
    viewer_files.unprotect(tmp_path / "disc")
    record_property("ways", len(ways))
    record_property("frames", sum(compared))
    assert len(ways) > 60
    assert sum(1 for each in compared if each) > 60
    assert [line["message"] for line in chromium.log() if line["level"] == "SEVERE"] == []
