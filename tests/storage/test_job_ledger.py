import dataclasses
import sqlite3
import stat
import time
from pathlib import Path

import pytest

from mkiso.core.header import InstanceHeader
from mkiso.core.job import Job, Node
from mkiso.core.job_queue import Verdict
from mkiso.core.model import ReceivedInstance
from mkiso.core.report import MissingInstance, Report
from mkiso.errors import DiskError, NotFoundError, TemporaryError, UsageError
from mkiso.storage import job_book
from mkiso.storage.job_ledger import LedgerQueue
from mkiso.storage.ledger import Ledger
from mkiso.storage.ledger_access import BatchLock, LedgerFile


def job(number, **changes):
    return Job(f"id-{number}", (number,), Node("n", "AE", "host", 1), **changes)


def instance(name="00000001.dcm", uid="1.2.1"):
    header = InstanceHeader.__new__(InstanceHeader)
    return ReceivedInstance(
        Path("/w") / name, 10, "ab", "1.2", uid, "1.2.3", "1.2.4", "1.2.5", header
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def open_queue(path):
    opened = []

    def make(batch="b1", **options):
        file = LedgerFile(path)
        queue = LedgerQueue(file, batch, **options)
        opened.append((queue, file))
        return queue

    yield make
    for queue, file in opened:
        queue.close()
        file.close()


def done(job_id, queue, code=0, **verdict):
    report = Report(code, "said", job=job_id, seconds={"find": 0.5}, ended="t")
    queue.end(job_id, report, Verdict(**{"state": "failed" if code else "done", **verdict}))


def test_jobs_come_out_in_order_and_once(open_queue):
    queue = open_queue()
    queue.add([job("B"), job("A")])
    queue.add([job("C")])
    taken = [queue.take(1.0).job.job_id for _ in range(3)]
    assert taken == ["id-B", "id-A", "id-C"]
    assert queue.take(1.0) is None
    assert queue.next_due() is None


def test_a_waiting_job_comes_back_when_it_is_due(open_queue):
    queue = open_queue()
    queue.add([job("A")])
    assert queue.take(1.0).attempts == 1
    done("id-A", queue, 75, state="waiting", not_before=100.0)
    assert (queue.take(99.0), queue.next_due()) == (None, 100.0)
    again = queue.take(100.0)
    assert (again.attempts, again.tries) == (2, 2)


def test_a_later_run_keeps_the_identifier_and_what_is_done(open_queue):
    first = open_queue("b1")
    first.add([job("A"), job("B")])
    first.take(1.0)
    done("id-A", first)
    second = open_queue("b2")
    changed = dataclasses.replace(job("B"), job_id="new", deadline_seconds=7.0)
    known = second.add([job("A"), changed])
    assert [(q.job.job_id, q.state) for q in known] == [("id-A", "done"), ("id-B", "waiting")]
    taken = second.take(1.0)
    assert (taken.job.job_id, taken.job.deadline_seconds) == ("id-B", 7.0)
    assert second.take(1.0) is None


def test_what_a_killed_run_was_doing_waits_again_with_what_it_kept(open_queue):
    first = open_queue("b1")
    first.add([job("A")])
    first.take(1.0)
    first.custody("id-A").arrived(instance())
    first.enter("id-A", "retrieve")
    first.close()  # as the writing thread does a moment later
    second = open_queue("b2")
    (known,) = second.add([job("A")])
    assert (known.state, known.attempts) == ("waiting", 1)
    (kept,) = second.custody("id-A").kept
    assert (kept.file_name, kept.sop_instance_uid, kept.sha256) == ("00000001.dcm", "1.2.1", "ab")
    assert second._file.rows("SELECT stage, ended FROM attempts") == [("retrieve", "")]


def test_what_arrives_is_on_the_disk_a_moment_later(open_queue, path):
    queue = open_queue()
    queue.add([job("A")])
    queue.custody("id-A").arrived(instance())
    end = time.monotonic() + 30
    connection = sqlite3.connect(path)
    while time.monotonic() < end:
        if connection.execute("SELECT COUNT(*) FROM instances").fetchone() == (1,):
            break
        time.sleep(0.02)
    else:
        raise AssertionError("never written")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert queue._file.rows("PRAGMA synchronous") == [(2,)]  # FULL


def test_a_given_up_job_stays_failed_until_a_person_says_so(open_queue, path):
    first = open_queue("b1")
    first.add([job("A"), job("B")])
    for name, code in (("A", 82), ("B", 66)):
        first.take(1.0)
        done(f"id-{name}", first, code)
    second = open_queue("b2", is_given_up=lambda code, _attempts: code == 82)
    assert [q.state for q in second.add([job("A"), job("B")])] == ["failed", "waiting"]
    file = LedgerFile(path)
    job_book.retry_job(file, "id-A")
    file.close()
    third = open_queue("b3", is_given_up=lambda code, _attempts: code == 82)
    assert [q.state for q in third.add([job("A")])] == ["waiting"]


def test_all_that_is_open_can_be_taken_without_a_list(open_queue):
    first = open_queue("b1")
    first.add([job("A"), job("B"), job("C")])
    first.take(1.0)
    done("id-A", first)
    assert open_queue("b2").add_open() == 2


def test_the_end_of_an_attempt_is_written_with_its_stages_and_what_is_missing(open_queue, path):
    queue = open_queue()
    queue.add([job("A")])
    queue.take(1.0)
    queue.custody("id-A").arrived(instance())
    missing = (MissingInstance("1.2.2", "1.2.3", "1.2.4"),)
    report = Report(80, "gap", missing=missing, seconds={"find": 0.5}, log="/l")
    queue.end("id-A", report, Verdict("failed"))
    file = LedgerFile(path)
    shown = job_book.show_job(file, "id-A")
    file.close()
    assert shown["attempts"][0]["seconds"] == {"find": 0.5}
    assert (shown["instances"], shown["missing"]) == ({"received": 1, "missing": 1}, ["1.2.2"])
    assert (shown["code"], shown["message"], shown["log"]) == (80, "gap", "/l")


def test_a_running_job_hears_that_it_is_cancelled(open_queue, path):
    queue = open_queue()
    queue.add([job("A"), job("B")])
    queue.take(1.0)
    file = LedgerFile(path)
    assert job_book.cancel_job(file, "id-A") == "cancelling"
    assert job_book.cancel_job(file, "id-B") == "cancelled"
    file.close()
    end = time.monotonic() + 30
    while not queue.is_cancelled("id-A"):
        assert time.monotonic() < end
        time.sleep(0.05)
    done("id-A", queue, 143, state="waiting")
    assert [q.state for q in queue.all()] == ["cancelled", "cancelled"]
    assert queue.take(1.0) is None


def test_old_jobs_are_forgotten_and_young_ones_and_waiting_ones_are_not(open_queue, path):
    queue = open_queue(now=lambda: time.time() - 1000)
    queue.add([job("A"), job("B")])
    queue.take(time.time() - 1000)
    done("id-A", queue)
    file = LedgerFile(path)
    assert job_book.purge_jobs(file, 2000) == 0
    assert job_book.purge_jobs(file, 500) == 1
    assert [each["job"] for each in job_book.list_jobs(file)] == ["id-B"]
    assert file.rows("SELECT COUNT(*) FROM attempts") == [(0,)]
    file.close()


def test_the_instances_of_old_discs_are_forgotten(open_queue):
    queue = open_queue()
    queue.add([job("A")])
    queue.take(1.0)
    queue.custody("id-A").arrived(instance())
    done("id-A", queue)
    queue.forget_instances(1000)
    assert len(queue.custody("id-A").kept) == 1
    queue.forget_instances(-1)
    assert queue.custody("id-A").kept == ()


def test_single_runs_are_in_the_book_and_are_not_taken(open_queue, path):
    Ledger(path.parent, print).record_job("m", key="k", accession_numbers=["A"], state="failed")
    file = LedgerFile(path)
    with pytest.raises(UsageError, match="single"):
        job_book.retry_job(file, "m")
    with pytest.raises(NotFoundError):
        job_book.cancel_job(file, "nobody")
    assert [each["job"] for each in job_book.list_jobs(file, ("failed",))] == ["m"]
    file.close()
    assert open_queue().add_open() == 0


def test_a_ledger_of_the_first_version_keeps_what_was_forwarded(path):
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE jobs (job_id TEXT PRIMARY KEY, key TEXT);"
        "CREATE TABLE forwarded (image_sha256 TEXT NOT NULL, node TEXT NOT NULL,"
        " sop_instance_uid TEXT NOT NULL, status INTEGER NOT NULL, at REAL NOT NULL,"
        " PRIMARY KEY (image_sha256, node, sop_instance_uid)) WITHOUT ROWID;"
        "INSERT INTO forwarded VALUES ('sha', 'n', '1.2', 0, 0);"
        "PRAGMA user_version = 1;"
    )
    connection.close()
    assert Ledger(path.parent, print).forwarded("sha", "n") == {"1.2": 0}
    file = LedgerFile(path)
    assert job_book.list_jobs(file) == []
    file.close()


def test_the_lock_is_one_runs_alone(path):
    lock = BatchLock(path)
    with pytest.raises(TemporaryError, match="Another batch"):
        BatchLock(path)
    lock.release()
    BatchLock(path).release()


def test_a_file_that_is_no_ledger_ends_a_batch_and_is_left_alone(path):
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(DiskError, match="move the file"):
        LedgerFile(path)
    assert path.read_bytes().startswith(b"not a database")


def test_a_ledger_that_fails_ends_the_run_at_the_next_job(open_queue):
    queue = open_queue()
    queue.add([job("A")])
    custody = queue.custody("id-A")
    queue._file._connection.close()
    custody.arrived(instance())
    queue._writer.join(30)
    with pytest.raises(DiskError):
        custody.arrived(instance())
    with pytest.raises(DiskError):
        queue.take(1.0)
    queue._bundle.clear()


def test_everything_is_private(open_queue, path):
    open_queue().add([job("A")])
    BatchLock(path).release()
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
