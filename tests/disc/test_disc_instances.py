"""The instances inside a finished image, found to be sent from it."""

import json
from pathlib import Path

import pydicom
import pytest
from finishing import Finishing

from mkiso.disc.disc_instances import instances_in_image
from mkiso.errors import DiskError, VerifyError


@pytest.fixture
def disc(tmp_path):
    finishing = Finishing(tmp_path)
    made = finishing.publish()
    return made, finishing.file_set


def test_each_data_set_is_where_it_is_said_to_be(disc):
    made, file_set = disc
    found = instances_in_image(made.path, made.sidecar)
    by_uid = {item.instance.sop_instance_uid: item.instance for item in file_set.instances}
    assert {each.sop_instance_uid for each in found} == by_uid.keys()
    image = made.path.read_bytes()
    for each in found:
        instance = by_uid[each.sop_instance_uid]
        original = instance.path.read_bytes()[instance.data_set_offset :]
        assert image[each.offset : each.offset + each.size_bytes] == original
        assert each.sop_class_uid == instance.sop_class_uid
        assert each.transfer_syntax_uid == instance.transfer_syntax_uid
        meta = pydicom.filereader.read_file_meta_info(instance.path)
        assert meta.TransferSyntaxUID == each.transfer_syntax_uid


def change(sidecar, edit):
    content = json.loads(sidecar.read_text())
    edit(content)
    sidecar.chmod(0o600)
    sidecar.write_text(json.dumps(content))


def swap(content):
    one, other, *_ = content["instances"]
    one["file"], other["file"] = other["file"], one["file"]


@pytest.mark.parametrize(
    "edit",
    [
        swap,
        lambda content: content["instances"][0].update(file="DICOM/PT000000/NOTHERE"),
        lambda content: content["instances"][0].update(file="INDEX.HTM"),
        lambda content: content["instances"][0].update(sop_instance_uid="1.9.9"),
        lambda content: content["instances"][0].pop("file"),
        lambda content: content["instances"][0].pop("sop_instance_uid"),
        lambda content: content.update(schema=99),
        lambda content: content.update(instances="none"),
    ],
)
def test_a_sidecar_that_describes_another_disc_is_refused(disc, edit):
    made, _ = disc
    change(made.sidecar, edit)
    with pytest.raises(VerifyError):
        instances_in_image(made.path, made.sidecar)


def test_a_cut_off_image_is_refused(disc):
    made, _ = disc
    made.path.chmod(0o600)
    with made.path.open("r+b") as image:
        image.truncate(made.size_bytes // 2)
    with pytest.raises(VerifyError):
        instances_in_image(made.path, made.sidecar)


def test_no_image_at_all_is_refused(disc):
    made, _ = disc
    made.path.chmod(0o600)
    made.path.write_bytes(b"\0" * 100_000)
    with pytest.raises(VerifyError):
        instances_in_image(made.path, made.sidecar)


@pytest.mark.parametrize("gone", ["path", "sidecar"])
def test_what_is_gone_is_a_disk_error(disc, gone):
    made, _ = disc
    getattr(made, gone).unlink()
    with pytest.raises(DiskError):
        instances_in_image(made.path, made.sidecar)


def test_no_file_handle_is_left(disc):
    made, _ = disc
    before = len(list(Path("/proc/self/fd").iterdir()))
    instances_in_image(made.path, made.sidecar)
    change(made.sidecar, swap)
    with pytest.raises(VerifyError):
        instances_in_image(made.path, made.sidecar)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
