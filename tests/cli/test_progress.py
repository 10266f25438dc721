from mkiso.cli.progress import Throttle, amount, rate
from mkiso.core.context import Progress


def test_the_first_and_the_last_of_a_stage_pass_and_few_between():
    now = [100.0]
    throttle = Throttle(lambda: now[0])
    passed = []
    for stage in ("retrieve", "write"):
        for done in range(1001):
            now[0] += 0.001
            if throttle.passes(Progress(stage, done, 1000)):
                passed.append((stage, done))
    assert passed[0] == ("retrieve", 0)
    assert ("retrieve", 1000) in passed
    assert ("write", 0) in passed
    assert passed[-1] == ("write", 1000)
    assert len(passed) < 16


def test_amounts_are_instances_or_bytes_by_stage():
    assert amount(Progress("retrieve", 3, 10, 1_500_000)) == "3 of 10, 1.5 MB"
    assert amount(Progress("retrieve", 3, None)) == "3"
    assert amount(Progress("write", 2_000_000, 8_000_000)) == "2 MB of 8 MB"
    assert amount(Progress("write", 2_000_000_000, 4_700_000_000)) == "2 GB of 4.7 GB"


def test_a_rate_needs_bytes_and_time():
    assert rate(Progress("retrieve", 3, 10, 30_000_000), 2.0) == "15 MB/s"
    assert rate(Progress("verify", 30_000_000, None), 2.0) == "15 MB/s"
    assert rate(Progress("find", 3, None), 2.0) == ""
    assert rate(Progress("verify", 5, None), 0.0) == ""
