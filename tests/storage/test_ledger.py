import sqlite3
import stat
import subprocess
import sys
import threading

import pytest

from mkiso.storage.ledger import Ledger


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def ledger(tmp_path, warnings):
    return Ledger(tmp_path, warnings.append)


def rows(tmp_path, query):
    connection = sqlite3.connect(tmp_path / "ledger.sqlite3")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_a_job_is_one_row_that_changes(ledger, tmp_path, warnings):
    ledger.record_job("j1", key="k", accession_numbers=["A", "한"], state="find", started="t0")
    ledger.record_job(
        "j1", key="k", accession_numbers=["A"], state="done", code=0, started="t0", ended="t1",
        image_path="/d/A.iso",
    )  # fmt: skip
    found = rows(tmp_path, "SELECT job_id, accession_numbers, state, code, image_path FROM jobs")
    assert found == [("j1", '["A"]', "done", 0, "/d/A.iso")]
    assert warnings == []


def test_statuses_are_kept_by_image_and_node(ledger, warnings):
    ledger.record_forwarded("sha", "backup", {"1.1": 0, "1.2": 0xA700})
    ledger.record_forwarded("sha", "backup", {"1.2": 0xB000})
    ledger.record_forwarded("sha", "other", {"1.3": 0})
    assert ledger.forwarded("sha", "backup") == {"1.1": 0, "1.2": 0xB000}
    assert ledger.forwarded("sha2", "backup") == {}
    assert warnings == []


def test_the_ledger_outlives_the_run_and_is_private(ledger, tmp_path):
    ledger.record_forwarded("sha", "n", {"1.1": 0})
    assert Ledger(tmp_path, print).forwarded("sha", "n") == {"1.1": 0}
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_it_is_a_write_ahead_log(ledger, tmp_path):
    ledger.forwarded("sha", "n")
    assert rows(tmp_path, "PRAGMA journal_mode") == [("wal",)]


def test_without_a_state_folder_it_forgets_in_silence(warnings):
    ledger = Ledger(None, warnings.append)
    ledger.record_forwarded("sha", "n", {"1.1": 0})
    assert ledger.forwarded("sha", "n") == {}
    assert warnings == []


def test_a_broken_file_is_put_aside_and_a_new_one_begun(tmp_path, ledger, warnings):
    (tmp_path / "ledger.sqlite3").write_bytes(b"this is no database, " * 100)
    ledger.record_forwarded("sha", "n", {"1.1": 0})
    assert ledger.forwarded("sha", "n") == {"1.1": 0}
    assert len(warnings) == 1
    assert "broken" in warnings[0]
    assert len(list(tmp_path.glob("ledger.sqlite3.broken-*"))) == 1


def test_a_folder_that_is_not_there_costs_one_warning(tmp_path, warnings):
    ledger = Ledger(tmp_path / "missing", warnings.append)
    ledger.record_job("j", key="k", accession_numbers=[], state="find")
    assert ledger.forwarded("sha", "n") == {}
    ledger.record_forwarded("sha", "n", {"1": 0})
    assert len(warnings) == 1


def test_a_ledger_of_a_later_version_is_left_alone(tmp_path, ledger, warnings):
    connection = sqlite3.connect(tmp_path / "ledger.sqlite3")
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    ledger.record_forwarded("sha", "n", {"1": 0})
    assert "another version" in warnings[0]
    assert rows(tmp_path, "SELECT name FROM sqlite_master") == []


def test_a_locked_ledger_costs_a_warning_and_not_the_job(tmp_path, warnings, monkeypatch):
    monkeypatch.setattr("mkiso.storage.ledger._BUSY_SECONDS", 0.1)
    Ledger(tmp_path, print).forwarded("sha", "n")
    connection = sqlite3.connect(tmp_path / "ledger.sqlite3", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        Ledger(tmp_path, warnings.append).record_forwarded("sha", "n", {"1": 0})
    finally:
        connection.close()
    assert "locked" in warnings[0]


def test_threads_and_processes_write_at_once(tmp_path, ledger, warnings):
    program = (
        "import sys\nfrom pathlib import Path\nfrom mkiso.storage.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[1]), sys.exit)\n"
        "for n in range(20): ledger.record_forwarded('sha', 'n', {f'{sys.argv[2]}.{n}': 0})\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(n)]) for n in range(3)
    ]
    threads = [
        threading.Thread(target=ledger.record_forwarded, args=("sha", "n", {f"9.{n}": 0}))
        for n in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [process.wait(30) for process in processes] == [0, 0, 0]
    assert len(ledger.forwarded("sha", "n")) == 70
    assert warnings == []
