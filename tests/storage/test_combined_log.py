import os
import threading

from mkiso.storage.combined_log import CombinedLog

DAY = 86400


def test_a_day_is_a_file_and_old_days_go(tmp_path):
    now = [1.7e9]
    log = CombinedLog(tmp_path / "import.log", 3 * DAY, lambda: now[0])
    for _ in range(6):
        log("line")
        os.utime(tmp_path / "import.log", (now[0], now[0]))
        now[0] += DAY
    log("last")
    rotated = sorted(path.name for path in tmp_path.glob("import-*.log"))
    assert len(rotated) == 3
    assert (tmp_path / "import.log").read_text().endswith("last\n")
    assert (tmp_path / "import.log").stat().st_mode & 0o077 == 0


def test_lines_stay_lines(tmp_path):
    log = CombinedLog(tmp_path / "import.log", DAY)
    log("a\nb\x1b[31m \ud800")
    assert len((tmp_path / "import.log").read_text().splitlines()) == 1


def test_several_writers_lose_nothing_when_it_rotates(tmp_path, monkeypatch):
    monkeypatch.setattr("mkiso.storage.combined_log._LARGEST_BYTES", 2000)

    def write():
        log = CombinedLog(tmp_path / "import.log", DAY)
        for n in range(100):
            log(f"line {n}")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    lines = [line for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    assert len(lines) == 400
    assert len(list(tmp_path.iterdir())) > 5
