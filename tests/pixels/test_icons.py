"""Icons in DICOMDIR: legal, of the image, and read by everybody."""

import dataclasses
import io
import subprocess

import numpy as np
import pydicom
import pytest
from disc_sets import EPOCH, data_set_of, plan, received

from mkiso.core.checksums import checksum_file, file_in_memory
from mkiso.disc.dicomdir import build_dicomdir
from mkiso.disc.image import write_image
from mkiso.disc.read_back import check_image
from mkiso.pixels.icon_jobs import make_icons
from mkiso.pixels.viewer_payload import ViewerPayload


@pytest.fixture(scope="module")
def iconised(tmp_path_factory):
    folder = tmp_path_factory.mktemp("icons")
    levels = {}
    names = ("CT_small.dcm", "examples_rgb_color.dcm", "JPEG2000.dcm", "test-SR.dcm")
    instances = [received(folder, n, data_set_of(name), levels) for n, name in enumerate(names)]
    (folder / "work").mkdir()
    icons = make_icons(instances, folder / "work", lambda: None)
    file_set = plan(instances)
    content = build_dicomdir("TESTDISC", file_set.instances, icons=icons)
    others = [f for f in file_set.files if f.path not in {"DICOMDIR", "SHA256.TXT"}]
    files = (file_in_memory("DICOMDIR", content), *others)
    return dataclasses.replace(file_set, files=(*files, checksum_file(files))), icons, instances


def test_every_image_has_a_picture_and_nothing_else_has(iconised):
    _, icons, instances = iconised
    images = {i.sop_instance_uid for i in instances if i.header.record_type == "IMAGE"}
    assert set(icons) == images
    assert len(images) == 3
    for icon in icons.values():
        assert max(icon.rows, icon.columns) <= 64
        assert len(icon.pixels) == icon.rows * icon.columns
        assert np.ptp(np.frombuffer(icon.pixels, np.uint8)) > 50  # there is something to see


def test_the_judge_and_pydicom_find_the_icons_right(iconised, tmp_path):
    file_set, icons, _ = iconised
    write_image(file_set, tmp_path / "disc.part", source_date_epoch=EPOCH)
    assert check_image(tmp_path / "disc.part").findings == ()
    directory = pydicom.dcmread(io.BytesIO(file_set.files[0].content))
    found = [r for r in directory.DirectoryRecordSequence if "IconImageSequence" in r]
    assert len(found) == 3
    for record in found:
        item = record.IconImageSequence[0]
        icon = icons[record.ReferencedSOPInstanceUIDInFile]
        assert (item.Rows, item.Columns) == (icon.rows, icon.columns)
        assert item.PixelData[: len(icon.pixels)] == icon.pixels


@pytest.mark.parametrize("preview", [False, True])
def test_the_workers_of_a_viewer_make_the_same_icons(tmp_path, preview):
    """Whatever the page gets of a frame: values, the JPEG stream itself, a reduced picture."""
    levels = {}
    names = ("CT_small.dcm", "examples_palette.dcm", "examples_ybr_color.dcm", "JPEG2000.dcm")
    names += ("SC_rgb_jpeg_dcmtk.dcm", "MR_small_RLE.dcm", "test-SR.dcm", "waveform_ecg.dcm")
    sets = [data_set_of(name, SOPInstanceUID=f"1.2.{n}") for n, name in enumerate(names)]
    instances = [received(tmp_path, n, each, levels) for n, each in enumerate(sets)]
    (tmp_path / "alone").mkdir()
    (tmp_path / "viewer").mkdir()
    alone = make_icons(instances, tmp_path / "alone", lambda: None)
    payload = ViewerPayload(tmp_path / "viewer", icons=True, preview=preview)
    try:
        assert payload.icons(instances) == alone
    finally:
        payload.close()
    assert len(alone) == 6


@pytest.mark.peers
def test_dicom3tools_accept_a_directory_with_icons(iconised, tmp_path, need_program):
    need_program("dciodvfy", "dcdirdmp")
    (tmp_path / "DICOMDIR").write_bytes(iconised[0].files[0].content)
    for program in ("dciodvfy", "dcdirdmp"):
        done = subprocess.run([program, "DICOMDIR"], cwd=tmp_path, capture_output=True, check=False)
        assert b"Error" not in done.stdout + done.stderr
