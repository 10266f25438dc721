import hashlib

import pytest
from finishing import Finishing

from mkiso.disc.read_back import check_image
from mkiso.errors import ConfigError, TemporaryError, TerminatedJobError
from mkiso.stages import write


def test_the_image_is_written_under_a_name_that_is_no_disc(tmp_path):
    run = Finishing(tmp_path)
    image = run.write()
    assert image.part.stat().st_size == image.size_bytes
    assert not list(run.output.rglob("*.iso"))
    assert check_image(image.part).findings == ()


def test_progress_and_log_say_how_far_it_is(tmp_path):
    run = Finishing(tmp_path)
    image = run.write()
    assert run.progressed[-1].done == run.progressed[-1].total == image.size_bytes
    assert {step.stage for step in run.progressed} == {"write"}
    assert any(str(image.size_bytes) in line for line in run.logged)


def test_source_date_epoch_of_the_environment_makes_two_runs_equal(tmp_path):
    one, two = Finishing(tmp_path / "1").write(), Finishing(tmp_path / "2").write()
    assert (
        hashlib.sha256(one.part.read_bytes()).hexdigest()
        == hashlib.sha256(two.part.read_bytes()).hexdigest()
    )


def test_a_senseless_epoch_is_a_configuration_error(tmp_path):
    run = Finishing(tmp_path)
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH"):
        write.run(
            run.file_set,
            run.work / "a.part",
            run.context,
            environment={"SOURCE_DATE_EPOCH": "today"},
        )


def test_a_stopped_job_leaves_no_part(tmp_path):
    run = Finishing(tmp_path)
    steps = []

    def stop_soon():
        steps.append(1)
        if len(steps) > 4:
            raise TerminatedJobError("stopped")

    run.require_running = stop_soon
    with pytest.raises(TerminatedJobError):
        run.write()
    assert not list(run.work.iterdir())


def test_a_job_without_time_left_does_not_begin(tmp_path):
    run = Finishing(tmp_path)
    run.stopped = TemporaryError("no time")
    with pytest.raises(TemporaryError):
        run.write()
    assert not list(run.work.iterdir())
