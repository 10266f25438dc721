"""What is behind a gap: a table of what was seen, and the failure that it is."""

import dataclasses

import pytest

from mkiso.core.evidence import CANNOT_SEND, Evidence, failure_of, nobody_came_hint
from mkiso.errors import (
    ConfigError,
    PermissionDeniedError,
    ProtocolError,
    TemporaryError,
)

NOTHING = Evidence(
    archive="abpacs",
    receiver="CDRECORD, port 10104",
    by_get=False,
    associations_seen=0,
    turned_away=(),
    arrived=0,
    status=None,
    error=None,
    aborted=False,
)
BUSY, LOST = TemporaryError("busy"), TemporaryError("lost")
WRONG, REFUSED = ConfigError("A801"), ProtocolError("A900")


def seen(**what):
    return dataclasses.replace(NOTHING, **what)


CAME = {"associations_seen": 1}
SOME = {"associations_seen": 1, "arrived": 3}

# fmt: off
#: what was seen -> the failure's class (None: the gap is reported)
FAILURES = [
    # success says nothing about a failure, whatever came
    (seen(status=0),                                             None),
    (seen(status=0, **SOME),                                     None),
    # nobody ever connected
    (seen(status=0xC000),                                        ConfigError),
    (seen(status=0xB000),                                        ConfigError),
    (seen(error=LOST, aborted=True),                             ConfigError),
    (seen(status=CANNOT_SEND, error=BUSY),                       TemporaryError),
    (seen(status=0xA701, error=BUSY),                            TemporaryError),
    (seen(error=BUSY),                                           TemporaryError),
    (seen(status=0xA801, error=WRONG),                           ConfigError),
    (seen(status=0x0124, error=PermissionDeniedError("no")),     PermissionDeniedError),
    (seen(status=0xA900, error=REFUSED),                         ProtocolError),
    (seen(status=0xC000, turned_away=("X at 10.0.0.1",)),        ConfigError),
    # it connected, and nothing arrived
    (seen(status=0xC000, **CAME),                                None),
    (seen(status=CANNOT_SEND, error=BUSY, **CAME),               None),
    (seen(status=0xA701, error=BUSY, **CAME),                    TemporaryError),
    (seen(error=LOST, aborted=True, **CAME),                     TemporaryError),
    (seen(status=0xA900, error=REFUSED, **CAME),                 ProtocolError),
    # some arrived
    (seen(status=0xC000, **SOME),                                None),
    (seen(status=0xB000, **SOME),                                None),
    (seen(status=CANNOT_SEND, error=BUSY, **SOME),               None),
    (seen(status=0xA900, error=REFUSED, **SOME),                 None),
    (seen(error=LOST, aborted=True, **SOME),                     None),
    (seen(status=0xA701, error=BUSY, **SOME),                    TemporaryError),
    (seen(status=0xFE00, error=BUSY, **SOME),                    TemporaryError),
    (seen(error=BUSY, **SOME),                                   TemporaryError),
    (seen(error=ProtocolError("nonsense"), **SOME),              ProtocolError),
    # a C-GET needs nobody to connect
    (seen(status=0xC000, by_get=True),                           None),
    (seen(status=CANNOT_SEND, error=BUSY, by_get=True),          None),
    (seen(error=BUSY, by_get=True),                              TemporaryError),
]
# fmt: on


@pytest.mark.parametrize(("evidence", "failure"), FAILURES)
def test_the_failure_behind_a_gap(evidence, failure):
    found = failure_of(evidence)
    assert (type(found) if found else None) is failure


def test_a_sender_that_was_turned_away_is_named_before_anything_else():
    found = failure_of(seen(status=0xC000, turned_away=("NIGHT at 10.0.0.1",)))
    assert "NIGHT at 10.0.0.1" in found.message
    assert "send_from" in found.message


def test_the_hint_says_what_the_archive_said():
    assert "reports success" in nobody_came_hint(seen(status=0))
    assert "gave up" in nobody_came_hint(seen(status=0xC000))


# fmt: off
#: what was seen -> is it away, does it end a round, may other requests bring more
NEXT = [
    (seen(),                                                     (False, False, True)),
    (seen(status=0),                                             (False, False, True)),
    (seen(status=0xC000, **CAME),                                (False, False, True)),
    (seen(error=BUSY),                                           (True,  True,  False)),
    (seen(status=0xA701, error=BUSY, **SOME),                    (True,  True,  False)),
    (seen(status=0xFE00, error=BUSY, **SOME),                    (True,  True,  False)),
    (seen(status=CANNOT_SEND, error=BUSY),                       (True,  True,  False)),
    (seen(status=CANNOT_SEND, error=BUSY, **CAME),               (False, False, True)),
    (seen(error=LOST, aborted=True),                             (True,  True,  False)),
    (seen(error=LOST, aborted=True, **SOME),                     (True,  True,  True)),
    (seen(status=0xA801, error=WRONG),                           (False, True,  False)),
    (seen(status=0xA900, error=REFUSED, **SOME),                 (False, True,  True)),
    (seen(error=REFUSED, **SOME),                                (False, True,  False)),
]
# fmt: on


@pytest.mark.parametrize(("evidence", "next_step"), NEXT)
def test_what_to_do_next(evidence, next_step):
    assert (evidence.is_away, evidence.ends_round, evidence.others_may_come) == next_step
