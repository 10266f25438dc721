"""Whole jobs on a disk that is full, or goes away."""

import shutil
import subprocess

import pytest
from whole_jobs import instance, save

PIXELS = {"Rows": 256, "Columns": 256, "PixelData": bytes(256 * 256 * 2)}


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of so many KiB; skip where that is not allowed."""
    mounted = []

    def mount(kibibytes):
        folder = tmp_path / "small"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"a tmpfs cannot be mounted: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.fixture
def large(lab):
    """Twenty instances of 128 KiB."""
    shutil.rmtree(lab.images)
    for n in range(20):
        save(lab.images, str(n), instance(number=n + 1, **PIXELS))
    lab.start()
    return lab


@pytest.mark.fault("F53")
def test_a_disk_that_fills_while_receiving_is_74_and_heals(large, small_disk):
    disk = small_disk(1024)
    result = large.make(output_folder=disk / "out")
    assert (result.code, result.discs) == (74, []), result.report
    assert "No space left" in result.message
    assert "A700H" in result.log
    assert list((disk / "out").iterdir()) == []
    subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
    assert large.make(output_folder=disk / "out").code == 0


@pytest.mark.fault("F53", "F54")
def test_a_disk_that_fills_while_writing_is_74(large, small_disk):
    """Everything arrived, and the files would fit, but not the image with its directories."""
    disk = small_disk(2 * 20 * 130 + 40)
    result = large.make(output_folder=disk / "out")
    assert (result.code, result.discs) == (74, []), result.report
    assert result.report["received"] == 20
    assert list((disk / "out").iterdir()) == []


@pytest.mark.fault("F54")
@pytest.mark.parametrize("more", [0, 150, 300])
def test_a_disk_that_is_nearly_large_enough_is_never_half_a_disc(large, small_disk, more):
    disk = small_disk(2 * 20 * 130 + more)
    result = large.make(output_folder=disk / "out")
    assert result.code in (0, 74)
    assert len(result.discs) == (1 if result.code == 0 else 0)


def test_too_little_free_space_is_said_before_the_archive_is_asked(lab, archive):
    asked = []
    archive.on_find = lambda level, answers: asked.append(level) or answers
    result = lab.make(minimum_free_bytes=1 << 60)
    assert (result.code, asked) == (74, [])


@pytest.mark.fault("F57")
def test_a_read_only_folder_is_73_before_the_archive_is_asked(lab, archive, small_disk):
    disk = small_disk(1024)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    asked = []
    archive.on_find = lambda level, answers: asked.append(level) or answers
    result = lab.make(output_folder=disk / "out")
    assert (result.code, asked) == (73, [])


@pytest.mark.fault("F57")
def test_an_output_folder_that_is_a_file_is_73(lab, archive):
    (lab.folder / "file").write_text("")
    assert lab.make(output_folder=lab.folder / "file", check=False).code == 73


@pytest.mark.fault("G16")
def test_an_output_folder_that_vanishes_while_receiving_is_74(lab, archive):
    def vanishes(move):
        move.send(move.instances[:2])
        shutil.rmtree(lab.output)
        taken = move.send(move.instances[2:])
        move.finish(0xB000, completed=2 + taken, failed=2 - taken)

    archive.on_move = vanishes
    result = lab.make(check=False)
    assert (result.code, result.discs) == (74, [])
    lab.check_free()


@pytest.mark.fault("G16")
@pytest.mark.parametrize("stage", ["write", "verify"])
def test_an_output_folder_that_vanishes_later_is_74_or_83(lab, archive, stage):
    def vanish(progress):
        if progress.stage == stage:
            shutil.rmtree(lab.output, ignore_errors=True)

    result = lab.make(surroundings={"progress": vanish}, check=False)
    assert result.code in (73, 74, 83), result.report
    assert result.discs == []
    lab.check_free()


@pytest.mark.fault("F69")
def test_a_state_folder_that_cannot_be_used_costs_no_disc_but_a_configured_one_is_78(lab, archive):
    (lab.folder / "state").write_text("in the way")
    assert lab.make(check=False).code == 78


@pytest.mark.fault("F69")
def test_a_template_that_is_broken_is_78_before_the_archive_is_asked(lab, archive):
    folder = lab.folder / "templates"
    (folder / "disc").mkdir(parents=True)
    (folder / "disc" / "INDEX.HTM").write_text("{% if %}")
    asked = []
    archive.on_find = lambda level, answers: asked.append(level) or answers
    result = lab.make(templates_folder=folder)
    assert (result.code, asked) == (78, [])
