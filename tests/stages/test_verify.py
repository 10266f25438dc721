import dataclasses
import os

import pytest
from disc_sets import data_set_of, plan, received
from finishing import Finishing

from mkiso.errors import DataError, TerminatedJobError, VerifyError
from mkiso.stages import verify
from mkiso.stages.verify import check_path


def flip(path, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def test_a_good_image_comes_back_with_its_hash(tmp_path):
    run = Finishing(tmp_path)
    image = run.verify()
    assert image.result.findings == ()
    assert len(image.sha256) == 64
    assert run.warned == []
    assert run.progressed[-1].stage == "verify"


@pytest.mark.parametrize("offset", [40_000, -3000])
def test_a_changed_byte_stops_the_disc(tmp_path, offset):
    run = Finishing(tmp_path)
    image = run.write()
    flip(image.part, offset % image.size_bytes)
    with pytest.raises(VerifyError) as caught:
        verify.run(image, run.file_set, run.context)
    assert caught.value.details
    assert caught.value.code == 83


def test_a_source_that_changed_after_it_was_received_stops_the_disc(tmp_path):
    run = Finishing(tmp_path)
    source = run.file_set.files[-1].source
    flip(source, source.stat().st_size - 1)
    with pytest.raises(VerifyError, match="faults"):
        run.verify()


def test_an_instance_more_or_less_than_planned_stops_the_disc(tmp_path):
    run = Finishing(tmp_path)
    image = run.write()
    fewer = dataclasses.replace(run.file_set, instances=run.file_set.instances[:-1])
    with pytest.raises(VerifyError) as caught:
        verify.run(image, fewer, run.context)
    assert "should not be on the disc" in str(caught.value.details)


def test_another_patient_on_the_disc_is_never_passed(tmp_path):
    run = Finishing(tmp_path)
    (tmp_path / "more").mkdir()
    levels = {}
    foreign = [
        received(tmp_path / "more", 1, data_set_of("CT_small.dcm"), levels),
        received(tmp_path / "more", 2, data_set_of("MR_small.dcm", PatientID="Z99"), levels),
    ]
    run.file_set = plan(foreign)
    with pytest.raises(VerifyError) as caught:
        run.verify()
    assert "another PatientID" in str(caught.value.details)
    assert "Z99" not in str(caught.value.details) + "".join(run.logged)


def test_a_warning_of_the_judge_is_a_warning_of_the_job(tmp_path):
    run = Finishing(tmp_path)
    (tmp_path / "more").mkdir()
    levels = {}
    run.file_set = plan(
        [
            received(tmp_path / "more", 1, data_set_of("CT_small.dcm"), levels),
            received(tmp_path / "more", 2, data_set_of("MR_small.dcm", PatientName="A^B"), levels),
        ]
    )
    run.verify()
    assert run.warned == ["There are objects of another patient's name."]


def test_a_stopped_job_stops_reading(tmp_path):
    run = Finishing(tmp_path)
    image = run.write()
    run.stopped = TerminatedJobError("stopped")
    with pytest.raises(TerminatedJobError):
        verify.run(image, run.file_set, run.context)


def test_any_path_is_judged_for_the_verify_command(tmp_path):
    run = Finishing(tmp_path)
    disc = run.publish()
    steps = []
    assert check_path(disc.path, steps.append).findings == ()
    assert steps[-1].stage == "verify"
    with pytest.raises(DataError):
        check_path(tmp_path / "nothing.iso")
    os.mkfifo(tmp_path / "pipe.iso")
    with pytest.raises(DataError):
        check_path(tmp_path / "pipe.iso")


def test_an_image_beside_another_ones_sidecar_is_found(tmp_path):
    run = Finishing(tmp_path)
    disc = run.publish()
    sidecar = disc.sidecar.read_text()
    disc.sidecar.write_text(sidecar.replace(disc.sha256, "0" * 64))
    assert "sidecar.image" in {f.id for f in check_path(disc.path).errors}
    first = run.file_set.instances[0].instance.sop_instance_uid
    disc.sidecar.write_text(sidecar.replace(first, "1.2.3"))
    assert "sidecar.instances" in {f.id for f in check_path(disc.path).errors}
    disc.sidecar.write_text("{}")
    assert {f.id for f in check_path(disc.path).findings} == {"sidecar.foreign"}
    disc.sidecar.unlink()
    assert check_path(disc.path).findings == ()
