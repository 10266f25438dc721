"""The viewer of a job: what fits the medium, and nothing at all where nobody wants it."""

import dataclasses
import errno
import subprocess
import sys

import numpy as np
import pytest
from pixels.pixel_objects import image, ramp
from received import CT
from viewer_discs import Disc

from mkiso.core.index_page import describe_disc
from mkiso.core.viewer_files import DISCS, bytes_without_viewer, medium_of
from mkiso.errors import ConfigError, DiskError
from mkiso.pixels.viewer_payload import ViewerPayload
from mkiso.stages import view


def slices(count=3, size=64):
    noise = np.random.default_rng(5).integers(0, 4000, (size, size)).astype("i2")
    small = [image(ramp(16, 16, "i2"), n, sop_class=CT) for n in (101, 102)]
    large = [
        image(noise + n, n, sop_class=CT, SeriesInstanceUID="1.2.3.50", SeriesNumber=5)
        for n in range(1, count + 1)
    ]
    return [*small, *large]


def paths(disc):
    return [file.path for file in disc.plan.files]


def test_the_viewer_stands_after_the_pages_and_before_the_instances(tmp_path):
    disc = Disc(tmp_path, slices())
    found = paths(disc)
    assert found[:7] == [
        "DICOMDIR", "INDEX.HTM", "README.TXT", "SHA256.TXT", "VIEWER/APP.CSS", "VIEWER/APP.JS",
        "VIEWER/MANIFEST.JS",
    ]  # fmt: skip
    last = max(n for n, path in enumerate(found) if path.startswith("VIEWER/"))
    assert all(path.startswith("DICOM/") for path in found[last + 1 :])
    sums = disc.plan.files[3].content.decode()
    assert all(f"  {path}\n" in sums for path in found if path != "SHA256.TXT")
    viewer = disc.plan.viewer
    assert (viewer.mode, viewer.preview_series, viewer.tiles) == ("full", (), 0)
    files = [file for file in disc.plan.files if file.path.startswith("VIEWER/")]
    assert viewer.size_bytes == sum(file.size_bytes for file in files)
    page = disc.plan.files[1].content
    assert b'src="VIEWER/APP.JS"' in page
    assert b'href="VIEWER/"' in page


def test_none_is_a_disc_as_it_was(tmp_path):
    disc = Disc(tmp_path, slices(), viewer="none")
    assert disc.plan.viewer is None
    assert not [path for path in paths(disc) if "VIEWER" in path]
    assert b"VIEWER" not in disc.plan.files[1].content


def test_none_loads_and_starts_nothing(tmp_path):
    program = (
        "import sys, dataclasses; from pathlib import Path; from mkiso.stages import view\n"
        "from types import SimpleNamespace as N\n"
        "with view.run(N(job=N(viewer='none')), Path(sys.argv[1])) as viewing:\n"
        "    viewing.start(); assert viewing.listeners == ()\n"
        "    assert viewing.collect(None, (), 1) is None\n"
        "print(sorted(name for name in sys.modules if name.startswith('mkiso.pixels')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_a_worker_loads_no_decoder_before_it_needs_one():
    """Each worker of each job would take a third of a second for it."""
    program = (
        "import sys, mkiso.pixels.worker\n"
        "print(sorted({'pydicom', 'PIL', 'gdcm', 'openjpeg'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_previews_of_everything(tmp_path):
    pytest.importorskip("PIL", reason="previews need Pillow")
    disc = Disc(tmp_path, slices(), viewer="preview")
    assert disc.plan.viewer.mode == "preview"
    assert sorted(disc.plan.viewer.preview_series) == ["1.2.3.4", "1.2.3.50"]
    assert b"reduced pictures" in disc.plan.files[1].content
    assert disc.warned == []  # as it was asked for


def test_previews_that_cannot_be_made_are_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("mkiso.pixels.viewer_payload.can_make_previews", lambda: False)
    with pytest.raises(ConfigError, match="Pillow"):
        Disc(tmp_path, slices(), viewer="preview")


def test_the_largest_series_is_reduced_until_the_medium_holds_all(tmp_path):
    pytest.importorskip("PIL", reason="previews need Pillow")
    contents = slices(4, 512)
    full = Disc(tmp_path / "full", contents, viewer="auto")
    assert (full.plan.viewer.mode, full.warned) == ("full", [])
    room = bytes_without_viewer(full.plan.instances) + 1_500_000
    disc = Disc(tmp_path / "small", contents, viewer="auto", media_size_bytes=room)
    assert disc.plan.viewer.preview_series == ("1.2.3.50",)
    assert "8 bits" in " ".join(disc.warned)
    assert sum(file.size_bytes for file in disc.plan.files) < room


def test_a_medium_with_no_room_for_any_viewer_gets_none_and_says_so(tmp_path):
    disc = Disc(tmp_path, slices(), viewer="none")
    placed = disc.plan.instances
    job = dataclasses.replace(disc.context.job, viewer="auto", media_size_bytes=1_000_000)
    page = describe_disc(placed, volume_id="A1", made_on="2026-01-31")
    with view.run(disc.context.for_job(job), tmp_path) as viewing:
        assert viewing.collect(page, placed, 1) is None
    assert "no viewer" in " ".join(disc.warned)


def test_without_an_encoder_auto_keeps_all_values(tmp_path, monkeypatch):
    monkeypatch.setattr("mkiso.pixels.viewer_payload.can_make_previews", lambda: False)
    disc = Disc(tmp_path, slices(), viewer="auto")
    assert (disc.plan.viewer.mode, disc.plan.viewer.tiles) == ("full", 0)


@pytest.mark.parametrize(
    ("needed", "given", "medium"),
    [
        (1, None, DISCS[0]),
        (DISCS[0] - 1, None, DISCS[1]),  # no room for previews on the first
        (DISCS[-1], None, 1 << 62),
        (DISCS[0], 737_280_000, 737_280_000),
    ],
)
def test_the_medium_is_the_smallest_that_holds_the_data(needed, given, medium):
    assert medium_of(needed, given) == medium


def test_a_full_disk_is_said_as_such(tmp_path, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ViewerPayload, "collect", full)
    with pytest.raises(DiskError, match="No space left"):
        Disc(tmp_path, slices())


def test_nothing_of_the_workers_is_left(tmp_path):
    Disc(tmp_path, slices())
    assert not list((tmp_path / "viewer").glob("*.spool"))
