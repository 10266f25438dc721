"""Query/retrieve identifiers: what a peer asks for, and the answers to a C-FIND (PS3.4 C.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mkiso.archive.answer_text import encoded, joint_character_set
from mkiso.archive.attributes import (
    BY_TAG,
    COMPUTED,
    INSTANCE_AVAILABILITY,
    QUERY_RETRIEVE_LEVEL,
    RETRIEVE_AE_TITLE,
    SPECIFIC_CHARACTER_SET,
    TIMEZONE_OFFSET_FROM_UTC,
    UNIQUE_KEY,
    UNIQUE_TAG,
    Attribute,
    Level,
)
from mkiso.archive.index import Condition, Index
from mkiso.archive.matching import Predicate, exact_value, predicate_for, uid_list
from mkiso.archive.schema import CHARACTER_SETS
from mkiso.archive.stored_file import decoded
from mkiso.core.identifier import decode_identifier, encode_identifier
from mkiso.core.text import decode
from mkiso.errors import ProtocolError

#: Understood in every identifier, besides the attributes of the index.
_GENERAL = frozenset(
    {
        QUERY_RETRIEVE_LEVEL,
        RETRIEVE_AE_TITLE,
        INSTANCE_AVAILABILITY,
        SPECIFIC_CHARACTER_SET,
        TIMEZONE_OFFSET_FROM_UTC,
    }
)
_MATCHED_COMPUTED_VRS = frozenset({"CS", "UI"})


class _AllTags(frozenset[int]):
    """Every tag: keys that are not supported must be noticed, too."""

    def __contains__(self, tag: object) -> bool:
        return True


_ALL_TAGS = _AllTags()


class IdentifierError(Exception):
    """The identifier does not match the SOP class: status A900H. The text names no patient."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """A decoded identifier: its level, and the requested text by attribute."""

    level: Level
    keys: tuple[tuple[Attribute, str], ...]
    wants_availability: bool = False
    unsupported: bool = False  # it has keys that the archive does not know

    def value(self, keyword: str) -> str:
        """Return what is asked for, empty when the key is empty or absent."""
        return next((text for attribute, text in self.keys if attribute.keyword == keyword), "")


def read_identifier(data: bytes | None, transfer_syntax_uid: str, top: Level) -> Identifier:
    """Decode the identifier of a request in an information model whose highest level is `top`.

    Raises IdentifierError.
    """
    try:
        raw = decode_identifier(data or b"", transfer_syntax_uid, _ALL_TAGS)
    except ProtocolError as error:
        raise IdentifierError("The identifier is no data set.") from error
    name = decoded(raw.get(QUERY_RETRIEVE_LEVEL, b""), "CS", "")
    if name not in Level.__members__ or Level[name] < top:
        raise IdentifierError("QueryRetrieveLevel is not one of this information model.")
    character_set = decode(raw.get(SPECIFIC_CHARACTER_SET, b""), "")
    known = [(BY_TAG[tag], value) for tag, value in sorted(raw.items()) if tag in BY_TAG]
    return Identifier(
        Level[name],
        tuple(
            (attribute, decoded(value, attribute.vr, character_set)) for attribute, value in known
        ),
        wants_availability=INSTANCE_AVAILABILITY in raw,
        unsupported=any(tag not in BY_TAG and tag not in _GENERAL for tag in raw),
    )


def retrieve_conditions(identifier: Identifier) -> list[Condition]:
    """Return which instances a C-MOVE or C-GET asks for.

    Raises IdentifierError unless there are unique keys alone: one value above the level, one or
    more at it (PS3.4 C.4.2.1.4.1). An archive that took an empty key for "everything" would send
    all its patients.
    """
    conditions = []
    for attribute, _ in identifier.keys:
        if attribute.keyword not in UNIQUE_KEY.values():
            raise IdentifierError(f"{attribute.keyword} is no unique key for a retrieval.")
    for level, keyword in UNIQUE_KEY.items():
        values = uid_list(identifier.value(keyword))
        if level > identifier.level and values:
            raise IdentifierError(f"{keyword} is below the level that is asked for.")
        if len(values) > 1 and level < identifier.level:
            raise IdentifierError(f"{keyword} has several values above the level asked for.")
        # PatientID above the level adds nothing to a UID, and many leave it out
        needed = level is identifier.level or Level.PATIENT < level < identifier.level
        if needed and not values:
            raise IdentifierError(f"{keyword} is missing.")
        if values:
            conditions.append(Condition(keyword, values))
    return conditions


def _is_at(attribute: Attribute, level: Level) -> bool:
    """Return whether a query at a level looks at an attribute.

    Those of higher levels count, too; but not what is counted: 20,000 times the same count of
    20,000 instances took 12 seconds. The Study Root has the patient's counts at its STUDY level.
    """
    counted = attribute in COMPUTED and attribute.vr not in _MATCHED_COMPUTED_VRS
    if not counted:
        return attribute.level <= level
    return level is attribute.level or (attribute.level, level) == (Level.PATIENT, Level.STUDY)


class Find:
    """A C-FIND: looks up, tests and encodes the answers one by one."""

    def __init__(self, identifier: Identifier, ae_title: str) -> None:
        """Prepare the tests; keys below the level asked for are left out."""
        level = identifier.level
        asked = [(a, text) for a, text in identifier.keys if _is_at(a, level)]
        tags = {a.tag for a, _ in asked}
        # the unique keys lead to what was found, asked for or not
        lowest = min(level, Level.STUDY)
        unique = [BY_TAG[UNIQUE_TAG[above]] for above in Level if lowest <= above <= level]
        asked += [(a, "") for a in unique if a.tag not in tags]
        self._identifier = identifier
        self._ae_title = ae_title
        self._attributes = [a for a, _ in sorted(asked, key=lambda pair: pair[0].tag)]
        self._conditions: list[Condition] = []
        self._predicates: list[tuple[int, Predicate]] = []
        for attribute, text in asked:
            self._add_test(attribute, text)

    def _add_test(self, attribute: Attribute, text: str) -> None:
        if attribute in COMPUTED and attribute.vr not in _MATCHED_COMPUTED_VRS:
            return
        predicate = predicate_for(attribute.vr, text)
        if predicate is None:
            return
        exact = exact_value(attribute.vr, text)
        if attribute.vr == "UI" and attribute.keyword in UNIQUE_KEY.values():
            self._conditions.append(Condition(attribute.keyword, uid_list(text)))
        elif exact is not None and attribute.keyword in ("AccessionNumber", "PatientID"):
            self._conditions.append(Condition(attribute.keyword, (exact,)))
        else:
            self._predicates.append((self._attributes.index(attribute), predicate))

    def answers(self, index: Index, transfer_syntax_uid: str) -> Iterator[bytes]:
        """Give the encoded identifier of each match."""
        level = self._identifier.level
        sets = len(CHARACTER_SETS[level])
        for row in index.select(level, self._attributes, self._conditions):
            values = [value or "" for value in row[sets:]]
            if all(predicate(values[n]) for n, predicate in self._predicates):
                keys = self._answer(row[:sets], values)
                yield encode_identifier(keys, transfer_syntax_uid)

    def _answer(
        self, character_sets: tuple[str, ...], values: list[str]
    ) -> list[tuple[int, str, bytes]]:
        character_set = joint_character_set(
            character_sets,
            [(a.vr, text) for a, text in zip(self._attributes, values, strict=True)],
        )
        keys = [
            (a.tag, a.vr, encoded(a.vr, text, character_set))
            for a, text in zip(self._attributes, values, strict=True)
        ]
        level = self._identifier.level.name.encode()
        keys.append((QUERY_RETRIEVE_LEVEL, "CS", level))
        keys.append((RETRIEVE_AE_TITLE, "AE", self._ae_title.encode("ascii", "replace")))
        if self._identifier.wants_availability:
            keys.append((INSTANCE_AVAILABILITY, "CS", b"ONLINE"))
        if character_set:
            keys.append((SPECIFIC_CHARACTER_SET, "CS", character_set.encode("ascii", "replace")))
        keys.sort()
        return keys
