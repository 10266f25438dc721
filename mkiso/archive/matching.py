"""Attribute matching of C-FIND: a requested value becomes a test of stored values (PS3.4 C.2.2.2).

Values are decoded text; several values of one attribute are joined with a backslash.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Callable

#: Tells whether a stored value (empty when absent) matches.
Predicate = Callable[[str], bool]

#: Value representations in which `*` and `?` are wild cards (PS3.4 C.2.2.2.4).
WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
#: One value only: a backslash is text in them (PS3.5 6.2).
SINGLE_VALUE_VRS = frozenset({"LT", "ST", "UR", "UT"})
NUMERIC_VRS = frozenset({"IS", "DS", "US", "SS", "UL", "SL", "FD", "FL"})

#: What fills up a time behind its hour: MMSSFFFFFF.
_EARLIEST = "0000000000"
_LATEST = "5959999999"
_PERSON_NAME_COMPONENTS = 5


def predicate_for(vr: str, wanted: str) -> Predicate | None:
    """Return the test for a requested value, or None when everything matches (C.2.2.2.3).

    Single values compare case-sensitively, person names without regard to case, dates, times and
    numbers by meaning. An absent value matches nothing but a universal key: a search for one
    accession number must never bring a study that has none.
    """
    wanted = wanted.strip(" \0")
    if not wanted or (set(wanted) == {"*"} and vr != "UI"):
        return None
    if vr in NUMERIC_VRS:
        return _any_value(_number(wanted))
    if vr in SINGLE_VALUE_VRS:
        return _text(wanted)
    return _TESTS.get(vr, _text_list)(wanted)


def exact_value(vr: str, wanted: str) -> str | None:
    """Return the one text that alone matches, for a look-up by index; None when there is more."""
    wanted = wanted.strip(" \0")
    if vr in WILDCARD_VRS and vr != "PN" and wanted and not set(wanted) & set("*?\\"):
        return wanted
    return None


def uid_list(wanted: str) -> tuple[str, ...]:
    r"""Return the UIDs of a list `1.2\1.3` (PS3.4 C.2.2.2.2), padding and empty ones removed."""
    return tuple(uid for part in wanted.split("\\") if (uid := part.strip(" \0")))


def _in_list(wanted: str) -> Predicate:
    uids = frozenset(uid_list(wanted))
    return lambda value: not uids.isdisjoint(value.split("\\"))


def _any_value(test: Predicate) -> Predicate:
    return lambda value: test(value) or ("\\" in value and any(map(test, value.split("\\"))))


def _pattern(wanted: str) -> re.Pattern[str]:
    # translate() makes a pattern that cannot backtrack for ever, whatever a peer sends
    return re.compile(fnmatch.translate(wanted.replace("[", "[[]")))


def _text(wanted: str) -> Predicate:
    if "*" in wanted or "?" in wanted:
        matches = _pattern(wanted).fullmatch
        return lambda value: bool(value) and matches(value.strip()) is not None
    return lambda value: value.strip() == wanted


def _text_list(wanted: str) -> Predicate:
    r"""Text of one or more stored values; `CT\MR` asks for either, as work stations do."""
    tests = [_text(part.strip()) for part in wanted.split("\\") if part.strip()]
    return _any_value(lambda value: any(test(value) for test in tests))


def _number(wanted: str) -> Predicate:
    number = _float(wanted)
    if number is None:
        return _text(wanted)
    return lambda value: _float(value) == number


def _float(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _date(wanted: str) -> Predicate:
    """Range or single date (C.2.2.2.5.1); `202*`, which the standard does not know, as text."""
    if "*" in wanted or "?" in wanted:
        return _any_value(_text(wanted))
    first, last = _ends(wanted, lambda end: end.replace(".", ""))  # 2020.01.31 of ACR-NEMA days
    return _within(first, last or "99999999", lambda value: value.strip().replace(".", ""))


def _time(wanted: str) -> Predicate:
    """Range or single time (C.2.2.2.5.2); what is left out counts from 0, at the end up to 59."""
    if "*" in wanted or "?" in wanted:
        return _any_value(_text(wanted))
    first, last = _ends(wanted, lambda end: end)
    end = _full_time(last, _LATEST if "-" in wanted else _EARLIEST)
    return _within(
        _full_time(first, _EARLIEST),
        end or "99",
        lambda value: _full_time(value.strip(), _EARLIEST),
    )


def _ends(wanted: str, clean: Callable[[str], str]) -> tuple[str, str]:
    first, hyphen, last = wanted.partition("-")
    first = clean(first.strip())
    return first, clean(last.strip()) if hyphen else first


def _within(first: str, last: str, clean: Callable[[str], str]) -> Predicate:
    return lambda value: any(
        bool(part) and first <= part <= last for part in map(clean, value.split("\\"))
    )


def _full_time(value: str, fill: str) -> str:
    """Return HHMMSSFFFFFF of a TM value of any precision; empty for an empty one."""
    digits = value.replace(":", "").replace(".", "")
    return (digits + fill[max(0, len(digits) - 2) :])[:12] if digits else ""


def _person_name(wanted: str) -> Predicate:
    """Person names by component group (PS3.5 6.2.1), without regard to case (C.2.2.2.1).

    A request with one group finds it in any group of the stored name, since a person who types
    a name in Han characters does not know in which group the archive keeps it.
    """
    groups = [_folded(group) for group in wanted.split("=")]
    tests = [_name_group(group) if group else None for group in groups]

    def one_name(value: str) -> bool:
        stored = [_folded(group) for group in value.split("=")]
        if len(tests) == 1 and tests[0]:
            return any(group and tests[0](group) for group in stored)
        stored += [""] * (len(tests) - len(stored))
        return all(test is None or test(group) for test, group in zip(tests, stored))  # noqa: B905 - stored may have more groups than were asked for

    return _any_value(one_name)


def _folded(group: str) -> str:
    components = [part.strip() for part in unicodedata.normalize("NFC", group).split("^")]
    return "^".join(components).rstrip("^").casefold()


def _name_group(wanted: str) -> Predicate:
    if "*" not in wanted and "?" not in wanted:
        return lambda group: group == wanted
    matches = _pattern(wanted).fullmatch

    def test(group: str) -> bool:
        # DOE^JOHN^* means DOE^JOHN, too: trailing empty components may be left out (PS3.5 6.2.1.1)
        padded = group + "^" * (_PERSON_NAME_COMPONENTS - 1 - group.count("^"))
        return bool(group) and (matches(group) is not None or matches(padded) is not None)

    return test


_TESTS: dict[str, Callable[[str], Predicate]] = {
    "UI": _in_list,
    "DA": _date,
    "TM": _time,
    "PN": _person_name,
}
