"""Whole jobs on media: split over several discs, converted for a profile, with icons."""

import json

import numpy as np
import pytest
from check_disc import check_disc
from pydicom.uid import JPEG2000
from whole_jobs import instance, save, study

from mkiso.core import media_profiles
from mkiso.core.split import FIXED_BYTES
from mkiso.disc.iso_reader import read_iso
from mkiso.disc.read_back import check_folder, check_image
from mkiso.stages import write

#: Room for about six slices of 16 x 16 beside what every disc has.
SMALL = FIXED_BYTES + 6 * 6144


def volume_set(path):
    with path.open("rb") as file:
        file.seek(16 * 2048 + 190)
        return file.read(128).decode().rstrip()


@pytest.mark.fault("F52")
def test_a_job_is_split_over_discs_that_are_file_sets_of_their_own(lab):
    study(lab.images, 2, series=2)
    study(lab.images, 3, series=3)
    lab.start()
    result = lab.make(media_size_bytes=SMALL)
    assert result.code == 0
    assert [path.name for path in result.discs] == ["A1.iso", "A1_2.iso"]
    found = []
    for number, path in enumerate(result.discs, 1):
        checked = check_image(path)
        assert checked.findings == ()
        assert checked.volume_id == f"A1_{number}"
        assert volume_set(path) == f"A1_DISC_{number}_OF_2"
        found += [each.sop_instance_uid for each in checked.instances]
        assert path.stat().st_size <= SMALL
    wanted = [
        f"1.2.3.{s}.{n}" for s, count in ((1, 4), (2, 2), (3, 3)) for n in range(1, count + 1)
    ]
    assert sorted(found) == wanted
    assert [(d["number"], d["of"]) for d in result.report["discs"]] == [(1, 2), (2, 2)]


def test_every_index_names_all_discs_and_what_they_hold(lab, tmp_path):
    for number in (1, 2, 3):
        study(lab.images, 4, series=number)
    lab.start()
    result = lab.make(media_size_bytes=SMALL)
    assert len(result.discs) == 3
    for number, path in enumerate(result.discs, 1):
        page = file_on(path, "/INDEX.HTM").decode()
        assert f"disc {number} of 3" in page
        for other in (1, 2, 3):
            assert f"CT series {other} of 2026-01-31" in page
        assert page.count("(this disc)") == 1


def file_on(image, path):
    with image.open("rb") as file:
        ((start, size),) = read_iso(file.fileno()).primary.files[path]
        file.seek(start)
        return file.read(size)


def test_a_series_larger_than_a_disc_is_cut_by_instance_number(lab):
    study(lab.images, 15)
    lab.start()
    result = lab.make(media_size_bytes=SMALL)
    counts = [disc["instances"] for disc in result.report["discs"]]
    assert counts == [6, 6, 3]
    page = file_on(result.discs[1], "/INDEX.HTM").decode()
    assert "6 of its 15 objects" in page


def test_the_same_split_again_is_the_same_discs(lab):
    study(lab.images, 9)
    lab.start()
    assert len(lab.make(media_size_bytes=SMALL).discs) == 2
    again = lab.make(media_size_bytes=SMALL)
    assert again.code == 0
    assert "exist" in again.message


def test_one_disc_that_reads_back_otherwise_keeps_all_unnamed(lab, monkeypatch):
    study(lab.images, 9)
    lab.start()
    real = write.run

    def rotten(plan, part, context, **more):
        image = real(plan, part, context, **more)
        if plan.number == 2:
            with part.open("r+b") as file:
                file.seek(-3000, 2)
                file.write(b"rot")
        return image

    monkeypatch.setattr(write, "run", rotten)
    result = lab.make(media_size_bytes=SMALL, check=False)
    assert (result.code, result.report["discs"]) == (83, [])
    assert not any(lab.output.iterdir())


@pytest.mark.parametrize("delivery", ["iso", "zip", "folder"])
def test_one_disc_that_cannot_be_named_takes_the_names_of_all(lab, delivery):
    study(lab.images, 9)
    lab.start()
    blocked = lab.output / "A1_2.json"
    (blocked / "in the way").mkdir(parents=True)
    result = lab.make(media_size_bytes=SMALL, deliver_as=delivery, check=False)
    assert (result.code, result.report["discs"]) == (73, [])
    assert list(lab.output.iterdir()) == [blocked]


@pytest.mark.fault("F52")
def test_no_split_ends_with_what_would_be_needed(lab):
    study(lab.images, 9)
    lab.start()
    result = lab.make(media_size_bytes=SMALL, split=False, check=False)
    assert (result.code, result.discs) == (85, [])
    assert "or 2 discs" in result.message
    assert "--medium cd650" in result.message


def test_split_discs_are_good_for_every_other_reader(lab, tmp_path):
    study(lab.images, 9)
    lab.start()
    for number, path in enumerate(lab.make(media_size_bytes=SMALL).discs):
        (tmp_path / str(number)).mkdir()
        check_disc(path, folder=tmp_path / str(number), VIEWER="none")


def test_by_default_the_data_sets_stay_and_the_disc_says_what_it_is(lab, archive):
    result = lab.make()
    assert result.code == 0
    (disc,) = result.report["discs"]
    assert disc["profile"] == "STD-GEN-CD"
    assert (disc["conversions"], disc["profile_problems"]) == ([], [])
    assert "as the archive sent them" in file_on(result.discs[0], "/INDEX.HTM").decode()


def test_a_profile_converts_what_it_does_not_allow_and_lists_it(lab, archive):
    result = lab.make(profile="STD-GEN-DVD-JPEG", compress=True)
    assert result.code == 0, result.report
    (disc,) = result.report["discs"]
    assert disc["profile"] == "STD-GEN-DVD-JPEG"
    assert disc["profile_problems"] == []
    (conversion,) = disc["conversions"]
    assert conversion["target"] == "1.2.840.10008.1.2.4.70"
    assert (conversion["instances"], conversion["problem"]) == (4, "")
    checked = check_image(result.discs[0], profile="STD-GEN-DVD-JPEG")
    assert checked.findings == ()
    assert "STD-GEN-DVD-JPEG" in checked.profiles
    assert {each.transfer_syntax_uid for each in checked.instances} == {"1.2.840.10008.1.2.4.70"}
    page = file_on(result.discs[0], "/INDEX.HTM").decode()
    assert "4 instances were converted losslessly" in page
    assert "allowed by the application profile STD-GEN-DVD-JPEG" in page
    sidecar = json.loads(result.discs[0].with_suffix(".json").read_text())
    assert sidecar["profile"] == "STD-GEN-DVD-JPEG"
    assert len(sidecar["conversions"]) == 4


@pytest.mark.parametrize("profile", ["as-received", "STD-GEN-CD"])
def test_compression_without_a_profile_that_has_it_is_told(lab, archive, profile):
    result = lab.make(compress=True, profile=profile)
    assert "--compress has no effect" in result.warnings
    assert result.report["discs"][0]["conversions"] == []


def test_what_cannot_be_converted_stays_and_the_disc_says_why(lab, archive):
    """OpenJPEG does not take images of less than 32 pixels."""
    result = lab.make(profile="STD-GEN-DVD-J2K", compress=True)
    assert result.code == 0
    (disc,) = result.report["discs"]
    (kept,) = disc["conversions"]
    assert kept["instances"] == 4
    assert kept["problem"].startswith("it cannot be converted without loss")
    assert disc["profile"] == "STD-GEN-DVD-J2K"  # plain is allowed there, too
    assert "cannot be converted without loss" in result.warnings


def test_a_profile_of_another_file_system_is_never_claimed_for_an_image(lab):
    lab.start()
    (disc,) = lab.make(profile="STD-GEN-BD-JPEG").report["discs"]
    assert disc["profile"] == ""
    assert "Not conformant to STD-GEN-BD-JPEG, because" in disc["profile_problems"][0]


def test_a_folder_meets_the_profile_of_the_medium_that_it_is_copied_to(lab):
    """PS3.11 J, PS3.12 R: the file system is that of the stick, not of the folder."""
    lab.start()
    result = lab.make(profile="STD-GEN-USB-JPEG", deliver_as="folder", check=False)
    (disc,) = result.report["discs"]
    assert (disc["profile"], disc["profile_problems"]) == ("STD-GEN-USB-JPEG", [])
    assert "STD-GEN-USB-JPEG" in check_folder(lab.output / "A1").profiles
    assert "Not conformant" not in (lab.output / "A1" / "INDEX.HTM").read_text()


def test_a_disc_that_no_cd_holds_never_claims_the_profile_of_cds(lab, monkeypatch):
    """With CDs of 1 kB; by encoding alone it would meet STD-GEN-CD."""
    sizes = {"cd700": 1000, "dvd-dl": 1 << 33}
    monkeypatch.setattr(media_profiles, "capacity_bytes", lambda name, _: sizes[name])
    lab.start()
    (plain,) = lab.make().report["discs"]
    assert (plain["profile"], plain["profile_problems"]) == ("STD-GEN-DVD-JPEG", [])
    (asked,) = lab.make(profile="STD-GEN-CD", name="b", check=False).report["discs"]
    assert asked["profile"] == ""
    assert "no CD-R holds its" in asked["profile_problems"][0]
    assert "no CD-R holds its" in file_on(lab.output / "b.iso", "/INDEX.HTM").decode()


def test_icons_are_in_the_directory_when_asked_for(lab):
    lab.start()
    plain = lab.make(name="plain")
    assert b"\x88\x00\x00\x02SQ" not in file_on(plain.discs[0], "/DICOMDIR")
    result = lab.make(name="with", icons=True, check=False)
    assert file_on(result.discs[-1], "/DICOMDIR").count(b"\x88\x00\x00\x02SQ") == 4
    assert check_image(result.discs[-1]).findings == ()


def test_icons_are_made_by_the_workers_that_make_the_viewer(lab, monkeypatch):
    """One decoding of each image: what makes icons without a viewer is not called."""
    lab.start()
    without = lab.make(name="without", icons=True)

    def second_pass(*_):
        raise AssertionError

    monkeypatch.setattr("mkiso.stages.convert.make_icons", second_pass)
    result = lab.make(name="with", icons=True, viewer="full", check=False)
    assert result.code == 0, result.report
    directory = file_on(lab.output / "with.iso", "/DICOMDIR")
    assert directory.count(b"\x88\x00\x00\x02SQ") == 4
    assert directory == file_on(without.discs[0], "/DICOMDIR")
    assert check_image(lab.output / "with.iso").findings == ()


def test_plan_asks_and_moves_nothing(lab, archive, capsys, program):
    study(lab.images, 2, series=2, Modality="MR")
    lab.restart()
    archive = lab.archive
    node = f"ABPACS@127.0.0.1:{lab.archive_port}"
    assert program(["plan", "A1", "--archive", node, "--medium", "cd700", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    (disc,) = report["plan"]
    assert disc["instances"] == 6
    assert disc["holds"] == [
        "A1: CT, 1 series (1), 4 instances",
        "A1: MR, 1 series (2), 2 instances",
    ]
    assert archive.moves == []
    assert program(["plan", "A1", "--archive", node]) == 0
    out = capsys.readouterr().out
    assert "disc 1 of 1: about" in out
    assert "by estimate" in out
    assert not list(lab.folder.rglob("*.iso"))


def test_a_full_viewer_of_compressed_images_takes_as_many_discs_as_it_needs(lab):
    """Its decoded pixels are far larger than the files: measured before the discs are divided."""
    noise = np.random.default_rng(1).integers(0, 4096, (1024, 1024), np.uint16)
    one = instance(Rows=1024, Columns=1024, BitsStored=12, HighBit=11)
    one.compress(JPEG2000, noise, j2k_cr=[50], generate_instance_uid=False)
    assert len(one.PixelData) < 100_000
    for number in range(1, 9):
        one.SOPInstanceUID = f"1.2.3.1.{number}"
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        save(lab.images, f"1.2.3.1/{number}", one)
    lab.start()
    capacity = FIXED_BYTES + 2 * 1024 * 1024
    result = lab.make(viewer="full", media_size_bytes=capacity, check=False)
    assert result.code == 0, result.report
    assert len(result.discs) > 1
    assert sum(disc["instances"] for disc in result.report["discs"]) == 8
    assert all(check_image(path).findings == () for path in result.discs)
    assert all(path.stat().st_size <= capacity for path in result.discs)


def test_the_viewer_of_a_converted_and_split_disc_shows_what_is_on_it(lab):
    study(lab.images, 9, Rows=64, Columns=64, PixelData=bytes(range(256)) * 32)
    lab.start()
    result = lab.make(
        viewer="full",
        profile="STD-GEN-DVD-J2K",
        compress=True,
        media_size_bytes=FIXED_BYTES + 4 * 12288,
    )
    assert result.code == 0, result.report
    assert len(result.discs) > 1
    assert [disc["profile"] for disc in result.report["discs"]] == [
        "STD-GEN-DVD-J2K" for _ in result.discs
    ]
    for path in result.discs:
        checked = check_image(path, profile="STD-GEN-DVD-J2K")
        assert checked.errors == ()
        assert any(file.path.startswith("VIEWER/") for file in checked.files)
    assert "says that it meets" not in result.warnings
