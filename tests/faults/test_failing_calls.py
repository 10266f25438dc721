"""Every system call of a job that touches the disk fails once, and from then on: never half.

The calls are counted in a good run, and then each of them fails in a run of its own; afterwards the
old state or the new one is there, and the next run, on a healed disk, makes the disc.
"""

import pytest
from faults.ends import check_end, heals, sha256
from faults.programs import (
    CHANGE,
    CLOSE,
    CREATE,
    ERRORS,
    FLUSH,
    LINK,
    LOCK,
    MODE,
    NAME,
    NAMES,
    OPEN,
    READ,
    REMOVE,
    RESERVE,
    WRITE,
)

#: Each of the calls at night; in the normal run some of them, another beginning for each kind.
SOME = pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.nightly)])

ONCE = [
    (WRITE, "ENOSPC"),
    (WRITE, "EIO"),
    (FLUSH, "EIO"),
    (NAME, "ENOSPC"),
    (LINK, "EIO"),
    (CREATE, "EMFILE"),
    (CREATE, "EDQUOT"),
    (OPEN, "EMFILE"),
    (READ, "EIO"),
    (REMOVE, "EIO"),
    (CLOSE, "EDQUOT"),
    (RESERVE, "ENOSPC"),
    (MODE, "EIO"),
]


def name_of(value):
    return NAMES.get(value, "any change" if isinstance(value, int) else value)


@pytest.mark.fault("F54", "F55", "G07", "G19")
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "error"), ONCE, ids=name_of)
def test_one_call_fails_whichever_it_is(faulty_site, kind, error):
    count = faulty_site.count(kind, faulty_site.lab.output)
    assert count
    codes = {}
    for nth in range(1, count + 1):
        faulty_site.forget()
        ended = faulty_site.fail(kind, nth, ERRORS[error], folder=faulty_site.lab.output)
        check_end(faulty_site, ended, may_leave=kind & (REMOVE | OPEN))
        codes[nth] = ended.code
        heals(faulty_site, nth)
    if kind not in (REMOVE, CLOSE, RESERVE, READ, OPEN, MODE):
        assert any(codes.values()), "no failure was noticed at all"


@pytest.mark.fault("F54", "F53", "F57")
@pytest.mark.timeout(900)
@SOME
@pytest.mark.parametrize(
    ("kinds", "error"),
    [
        (WRITE | CREATE | NAME | LINK | RESERVE, "ENOSPC"),
        (CHANGE, "EROFS"),
        (OPEN, "EMFILE"),
        (CHANGE | READ | OPEN, "EIO"),
    ],
    ids=["full", "read-only", "no handles", "gone"],
)
def test_all_calls_fail_from_one_on_whichever_it_is(faulty_site, kinds, error, step):
    count = faulty_site.count(kinds, faulty_site.lab.output)
    for nth in range(1, count + 1, step):
        faulty_site.forget()
        ended = faulty_site.fail(
            kinds, nth, ERRORS[error], folder=faulty_site.lab.output, sticky=True
        )
        check_end(faulty_site, ended, may_leave=kinds & (REMOVE | OPEN))
        heals(faulty_site, nth)


@pytest.mark.fault("F54", "F58")
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("sticky", "step"),
    [(False, 1), (True, 4), pytest.param(True, 1, marks=pytest.mark.nightly)],
    ids=["once", "from then on", "from each on"],
)
def test_a_disc_that_is_to_be_replaced_stays_or_is_replaced(faulty_site, sticky, step):
    """The old image keeps its own sidecar until the new one has both names."""
    site, output = faulty_site, faulty_site.lab.output
    kinds = CHANGE
    old = make_old_disc(site)
    count = site.count(kinds, output, "--replace")
    for nth in range(1, count + 1, step):
        site.forget()
        make_old_disc(site)
        ended = site.fail(kinds, nth, ERRORS["EIO"], "--replace", folder=output, sticky=sticky)
        check_end(site, ended, old=old, may_leave=True)
        disc = output / "A1.iso"
        if sha256(disc) == old:
            assert ended.code != 0
            if not sticky:
                assert (output / "A1.json").read_bytes() == b"{}", f"call {nth}"
        heals(site, nth, "--replace")


def make_old_disc(site):
    output = site.lab.output
    output.mkdir(exist_ok=True)
    (output / "A1.iso").write_bytes(b"the disc of last year")
    (output / "A1.json").write_bytes(b"{}")
    return sha256(output / "A1.iso")


@pytest.mark.fault("G20")
@pytest.mark.timeout(900)
@SOME
@pytest.mark.parametrize(
    ("kinds", "error", "sticky"),
    [(CHANGE, "EIO", False), (CHANGE, "ENOSPC", False), (CHANGE & ~REMOVE, "ENOSPC", True),
     (CHANGE | OPEN, "EROFS", True), (READ, "EIO", False)],
    ids=["broken once", "full once", "full", "read-only", "unreadable"],
)  # fmt: skip
def test_a_state_folder_that_fails_costs_no_disc(faulty_site, kinds, error, sticky, step):
    site = faulty_site
    count = site.count(kinds, site.state)
    assert count > 5
    for nth in range(1 + error.count("O"), count + 1, step):
        site.forget()
        ended = site.fail(kinds, nth, ERRORS[error], folder=site.state, sticky=sticky)
        assert ended.code == 0, (nth, ended.report["message"])
        check_end(site, ended)


@pytest.mark.fault("G06")
@pytest.mark.parametrize(
    ("kinds", "error"),
    [
        (LINK, "EOPNOTSUPP"),
        (LINK, "EPERM"),
        (RESERVE, "EOPNOTSUPP"),
        (LOCK, "ENOLCK"),
        (MODE, "EPERM"),
        (LINK | LOCK | MODE | RESERVE, "EOPNOTSUPP"),
    ],
    ids=["no links", "links forbidden", "no reservation", "no locks", "no modes", "nothing of it"],
)
def test_a_share_that_can_do_little_takes_a_disc(faulty_site, kinds, error):
    site, folder = faulty_site, faulty_site.lab.output
    ended = site.fail(kinds, 1, ERRORS[error], folder=folder, sticky=True)
    assert ended.code == 0, ended.report["message"]
    check_end(site, ended)
    again = site.fail(kinds, 1, ERRORS[error], folder=folder, sticky=True)
    assert again.code == 0
    assert "exists already" in again.report["message"]
    replaced = site.fail(kinds, 1, ERRORS[error], "--replace", folder=folder, sticky=True)
    assert replaced.code == 0
    check_end(site, replaced)
