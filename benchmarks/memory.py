"""The memory of a running program and all its processes, sampled."""

import contextlib
import subprocess
import threading
from pathlib import Path

from programs import DEADLINE_SECONDS, ProgramFailed

_INTERVAL_SECONDS = 0.05


def peak_of(command: list[str]) -> tuple[float, float, bytes]:
    """Run a program; return (peak PSS of all its processes, peak of the largest, its output).

    MiB. PSS counts pages that processes share once. The second is exact (VmHWM), the first sampled
    twenty times a second.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    sampler = _Sampler(process.pid)
    try:
        output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ProgramFailed(f"{command[2]} did not end in time") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=10)
        sampler.stop()
    return max(sampler.pss_mib, sampler.largest_mib), sampler.largest_mib, output


class _Sampler:
    def __init__(self, pid: int) -> None:
        self.pss_mib = self.largest_mib = 0.0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def _sample(self) -> None:
        while not self._stop.wait(_INTERVAL_SECONDS):
            pids = [self._pid]
            for pid in pids:  # grows
                with contextlib.suppress(OSError):
                    for task in Path(f"/proc/{pid}/task").iterdir():
                        pids += map(int, (task / "children").read_text().split())
            self.pss_mib = max(self.pss_mib, sum(_field(p, "smaps_rollup", "Pss:") for p in pids))
            peak = max((_field(pid, "status", "VmHWM:") for pid in pids), default=0.0)
            self.largest_mib = max(self.largest_mib, peak)


def _field(pid: int, file: str, name: str) -> float:
    """Return a size in MiB; 0 when the process has gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
    return 0.0
