"""Whose images a folder holds, read from its name: `#12345-HongGildong`.

What is refused is refused without repeating it: a name of a folder is a patient's.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from mkiso.errors import ConfigError, DataError

#: `#<digits>-<letters, # or ^>`, as the scripts had it that mkiso replaces.
PATTERN = r"#(?P<patient_id>[0-9]+)-(?P<patient_name>[A-Za-z#^]+)"
#: The same with the letters of all scripts, and `=` between the groups of a name (PS3.5 6.2.1).
UNICODE_PATTERN = r"#(?P<patient_id>[0-9]+)-(?P<patient_name>(?:[A-Za-z#^=]|[^\x00-\x7f])+)"

_GROUPS = frozenset(("patient_id", "patient_name"))
# PS3.5 6.2: LO has at most 64 characters; PN 64 a component group, 3 groups, 5 components each.
_LONGEST = 64
_MOST_NAME_GROUPS, _MOST_COMPONENTS = 3, 5
#: Control, surrogate, private and unassigned characters, line and paragraph separators; of format
#: characters (direction marks make one name look like another) all but the two joiners.
_FORBIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class FolderIdentity:
    """Who a folder's images are of: the values of PatientID and PatientName."""

    patient_id: str = field(repr=False)
    patient_name: str = field(repr=False)


class FolderNames:
    """How folders are named at a site."""

    def __init__(self, pattern: str = "", *, unicode: bool = False, hash_means: str = "#") -> None:
        """Take a regular expression for the whole name with the groups patient_id, patient_name.

        "" is the pattern of old. `unicode` allows names beyond ASCII; `hash_means` is what a `#`
        in a patient's name stands for. Raises ConfigError.
        """
        self._unicode = unicode
        self._hash_means = hash_means
        wanted = pattern or (UNICODE_PATTERN if unicode else PATTERN)
        try:
            self._pattern = re.compile(wanted, re.UNICODE if unicode else re.ASCII)
        except re.error as error:
            raise ConfigError(f"watch.pattern is no regular expression: {error}.") from error
        groups = frozenset(self._pattern.groupindex)
        if groups != _GROUPS:
            raise ConfigError(
                "watch.pattern must have the named groups patient_id and patient_name and no "
                f"others, such as {PATTERN}"
            )

    def identity(self, name: str) -> FolderIdentity:
        """Return whose images a folder of this name holds, composed as NFC (macOS decomposes).

        Raises DataError, which says why without repeating anything of the name.
        """
        if any("\ud800" <= c <= "\udfff" for c in name):
            raise DataError("The folder's name is not UTF-8; rename it.")
        if not name.isascii() and not self._unicode:
            raise DataError(
                "The folder's name holds characters beyond ASCII; rename it, or allow them with "
                "unicode = true in [watch]."
            )
        match = self._pattern.fullmatch(unicodedata.normalize("NFC", name))
        if match is None:
            raise DataError(
                "The folder's name does not match the pattern (as it came: # digits - name, such "
                "as #12345-HongGildong); rename it."
            )
        patient_id = (match["patient_id"] or "").strip(" ")
        name_text = (match["patient_name"] or "").replace("#", self._hash_means).strip(" ")
        _require_text("PatientID", patient_id)
        _require_text("PatientName", name_text)
        if len(patient_id) > _LONGEST:
            raise DataError(f"The PatientID in the folder's name is longer than {_LONGEST}.")
        _require_person_name(name_text)
        return FolderIdentity(patient_id, name_text)


def _require_text(what: str, text: str) -> None:
    if not text.strip("^=# "):
        raise DataError(f"The {what} in the folder's name is empty.")
    for character in text:
        is_forbidden = unicodedata.category(character) in _FORBIDDEN and character not in _JOINERS
        if is_forbidden or character == "\\":
            raise DataError(
                f"The {what} in the folder's name holds U+{ord(character):04X}, which has no "
                "place in it."
            )


def _require_person_name(text: str) -> None:
    groups = text.split("=")
    if len(groups) > _MOST_NAME_GROUPS:
        raise DataError("The PatientName in the folder's name has more than two '='.")
    for group in groups:
        if len(group) > _LONGEST:
            raise DataError(f"The PatientName in the folder's name is longer than {_LONGEST}.")
        if group.count("^") >= _MOST_COMPONENTS:
            raise DataError("The PatientName in the folder's name has more than four '^'.")
