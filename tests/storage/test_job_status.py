import json

import pytest

from mkiso.core.context import Progress
from mkiso.errors import NotFoundError, UsageError
from mkiso.storage.job_log import JobLog
from mkiso.storage.job_status import job_status
from mkiso.storage.progress_file import ProgressFile, read_progress
from mkiso.storage.state_folder import log_path, progress_path, write_report


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "jobs").mkdir()
    return tmp_path


def test_a_job_whose_log_is_open_is_running(folder):
    log = JobLog(log_path(folder, "j1"))
    ProgressFile(progress_path(folder, "j1")).show(Progress("retrieve", 3, 12, 5000))
    status = job_status(folder, None, "j1")
    assert (status.state, status.progress) == ("running", Progress("retrieve", 3, 12, 5000))
    assert status.sentence == "j1: running, retrieve 3 of 12."
    assert status.plain()["progress"]["total"] == 12
    log.close()
    assert job_status(folder, None, "j1").state == "died"


def test_two_who_look_do_not_see_each_other(folder):
    log = JobLog(log_path(folder, "j1"))
    log.close()
    states = [job_status(folder, None, "j1").state for _ in range(3)]
    assert states == ["died"] * 3


@pytest.mark.parametrize(("code", "state"), [(0, "done"), (66, "failed")])
def test_a_job_that_has_ended_gives_its_report(folder, code, state):
    write_report(folder, "j1", {"code": code, "message": "As it was."})
    status = job_status(folder, None, "j1")
    assert (status.state, status.report["code"]) == (state, code)
    assert f"[{code}]" in status.sentence


@pytest.mark.parametrize("content", ["", "[]", "{", json.dumps({"code": 1, "message": ""})])
def test_a_report_that_makes_no_sense_is_none(folder, content):
    (folder / "jobs" / "j1.json").write_text(content)
    with pytest.raises(NotFoundError):
        job_status(folder, None, "j1")


@pytest.mark.parametrize("job_id", ["", "../x", "a/b", "a.b", "x" * 65, "-x", "a\nb"])
def test_what_is_no_identifier_never_becomes_a_path(folder, job_id):
    with pytest.raises(UsageError):
        job_status(folder, None, job_id)


def test_progress_is_written_at_each_stage_and_now_and_then(folder):
    seconds = iter([0.0, 0.1, 0.2, 0.9, 1.0, 1.1])
    path = progress_path(folder, "j1")
    file = ProgressFile(path, clock=lambda: next(seconds))
    seen = []
    for stage, count in [("find", 0), ("retrieve", 1), ("retrieve", 2), ("retrieve", 3),
                         ("retrieve", 4), ("retrieve", 9)]:  # fmt: skip
        file.show(Progress(stage, count, 9))
        seen.append(read_progress(path).done)
    assert seen == [0, 1, 1, 3, 3, 9]
    file.remove()
    assert read_progress(path) is None


def test_stages_that_last_no_time_are_not_each_written(folder):
    seconds = iter([0.0, 0.02, 0.05, 0.11])
    path = progress_path(folder, "j1")
    file = ProgressFile(path, clock=lambda: next(seconds))
    seen = []
    for stage in ("find", "retrieve", "write", "verify"):
        file.show(Progress(stage, 9, 9))
        seen.append(read_progress(path).stage)
    assert seen == ["find", "find", "find", "verify"]


def test_a_disk_that_fails_costs_only_the_news(tmp_path):
    ProgressFile(tmp_path / "missing" / "p").show(Progress("find", 0, None))
    ProgressFile(None).show(Progress("find", 0, None))
    ProgressFile(None).remove()
