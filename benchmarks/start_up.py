"""CPU seconds of a start, interpreter included: the limit is 0.25 for --version, 0.4 for --help."""

import os
import resource
import statistics
import subprocess
import sys

LIMITS = {("--version",): 0.25, ("--help",): 0.4, ("make", "--help"): 0.4, ("make", "A*"): 0.4}
ROUNDS = 7


def cpu_seconds(arguments):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "mkiso", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    failed = False
    for arguments, limit in LIMITS.items():
        median = statistics.median(cpu_seconds(arguments) for _ in range(ROUNDS))
        failed = failed or median > limit
        print(f"mkiso {' '.join(arguments):<14} {median:.3f} s CPU (limit {limit} s)")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
