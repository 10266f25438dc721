"""The body of one directory record: the keys of PS3.3 F.5, in Explicit VR Little Endian.

The elements that tie records together (offsets, type, File ID) are added by the writer of the
directory; a body is made once, when its instance arrives.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mkiso.core import record_defaults
from mkiso.core import record_keys as keys
from mkiso.core.byte_source import LONG
from mkiso.core.record_keys import Key
from mkiso.core.record_text import UTF_8, declaration
from mkiso.core.sequences import Item, Node, encode_item
from mkiso.core.text import decode, is_ascii
from mkiso.core.value_rules import TEXT_VRS, legal, legal_text, nearest

# What identifies is never bent into shape: a cut PatientID may be another patient's.
_VERBATIM = frozenset({keys.PATIENT_ID, keys.ISSUER_OF_PATIENT_ID})
_DATE_OF_TIME = {time: date for date, time in record_defaults.DATE_AND_TIME.items()}


class RecordBody(NamedTuple):
    """The encoded keys of a record, and the keywords whose values are not the instance's."""

    encoded: bytes
    filled: tuple[str, ...]


def encode_record(
    record_keys: tuple[Key, ...],
    values: Mapping[int, bytes],
    sequences: Mapping[int, list[Item]],
    character_set: str,
) -> RecordBody:
    """Return the body of a record with `record_keys`.

    `values` are raw, little endian and without padding; `character_set` is theirs. A type 1
    InstanceNumber that is missing stays out: its value depends on the series.
    """
    nodes: Item = []
    filled: list[str] = []
    for key in record_keys:
        value: bytes | list[Item] | None
        if key.vr == b"SQ":
            value = _sequence_value(key, sequences, filled)
        else:
            value = values.get(key.tag)
            if not value or (key.vr not in TEXT_VRS and not _is_legal(key, value)):
                value = _replacement(key, values, filled)
            elif not key.multiplicity and key.vr in TEXT_VRS and b"\\" in value:
                value = None  # several names: one text in a list of several is not worth its rules
        if value is not None:
            nodes.append((key.tag, key.vr, value))
    texts = list(_texts(nodes))
    if not all(legal(vr, value) for value, vr in texts):
        nodes, altered = _with_legal_text(nodes, texts, character_set)
        filled += [key.keyword for key in record_keys if key.tag in altered]
    return RecordBody(encode_item(nodes), tuple(filled))


def _is_legal(key: Key, value: bytes) -> bool:
    parts = key.multiplicity
    return legal(key.vr, value) and (not parts or value.count(b"\\") == parts - 1)


def _sequence_value(
    key: Key, sequences: Mapping[int, list[Item]], filled: list[str]
) -> list[Item] | None:
    """Return the items for a key, made up for type 1; None when the key stays out."""
    items = _legal_items(sequences.get(key.tag, []))
    if not items and key.type == "1":
        filled.append(key.keyword)
        return record_defaults.default_items(key.tag)
    return items if items or key.type == "2" else None


def _legal_items(items: list[Item]) -> list[Item]:
    """Return items with legal values; one that refers to an illegal UID is left out."""
    kept = []
    for item in items:
        nodes: Item = []
        for tag, vr, value in item:
            if isinstance(value, list):
                nodes.append((tag, vr, _legal_items(value)))
            elif vr in TEXT_VRS or legal(vr, value):
                nodes.append((tag, vr, value))
            elif vr == b"UI":
                break
            else:
                nodes.append((tag, vr, nearest(vr, value)))
        else:
            kept.append(nodes)
    return kept


def _replacement(key: Key, values: Mapping[int, bytes], filled: list[str]) -> bytes | None:
    """Return what a key gets whose value is empty or illegal; None when it stays out."""
    value = values.get(key.tag, b"")
    if value and key.vr == b"UI":  # a wrong UID is still the one that the study or series has
        return value if key.type == "1" else None
    if value:
        filled.append(key.keyword)
        value = nearest(key.vr, value.split(b"\\")[0] if key.multiplicity == 1 else value)
        value = value if _is_legal(key, value) else b""
    if value or key.type == "2":
        return value
    if key.type != "1" or key.tag == keys.INSTANCE_NUMBER:
        return None
    if key.keyword not in filled:
        filled.append(key.keyword)
    if key.tag in record_defaults.DATE_AND_TIME:
        return record_defaults.dates_filled(values, key.tag)[0]
    if key.tag in _DATE_OF_TIME:
        return record_defaults.dates_filled(values, _DATE_OF_TIME[key.tag])[1]
    return record_defaults.default_value(key.tag)


def _texts(item: Item) -> Iterator[tuple[bytes, bytes]]:
    """Yield (value, VR) of all text in an item and the sequences in it."""
    for _, vr, value in item:
        if isinstance(value, list):
            for inner in value:
                yield from _texts(inner)
        elif vr in TEXT_VRS:
            yield value, vr


def _with_legal_text(
    item: Item, texts: list[tuple[bytes, bytes]], character_set: str
) -> tuple[Item, set[int]]:
    """Return the keys with their character set declared, and the tags whose text was altered."""
    declared, stays = declaration(character_set, texts)
    if not stays or _has_own_character_set(item) or not _all_legal(texts, character_set):
        rewritten = [_in_utf_8(node, character_set) for node in item]
        altered = {
            node[0]
            for node, new in zip(item, rewritten, strict=True)
            if node[1] in TEXT_VRS
            and isinstance(node[2], bytes)
            and isinstance(new[2], bytes)
            and decode(node[2], character_set, node[1]) != new[2].decode("utf-8")
        }
        ascii_only = all(is_ascii(value) for value, _ in _texts(rewritten))
        declared, item = "" if ascii_only else UTF_8, rewritten
    else:
        altered = set()
    if declared:
        item = [(keys.SPECIFIC_CHARACTER_SET, b"CS", declared.encode("ascii")), *item]
    return item, altered


def _has_own_character_set(item: Item) -> bool:
    return any(
        tag == keys.SPECIFIC_CHARACTER_SET
        or (isinstance(value, list) and any(_has_own_character_set(inner) for inner in value))
        for tag, _, value in item
    )


def _all_legal(texts: list[tuple[bytes, bytes]], character_set: str) -> bool:
    decoded = ((vr, decode(value, character_set, vr)) for value, vr in texts)
    return all(text == legal_text(vr, text) for vr, text in decoded)


def _in_utf_8(node: Node, character_set: str) -> Node:
    """Return an element with its text made legal, in UTF-8."""
    tag, vr, value = node
    if isinstance(value, list):
        return tag, vr, [_item_in_utf_8(inner, character_set) for inner in value]
    if vr not in TEXT_VRS:
        return node
    text = decode(value, character_set, vr)
    if tag not in _VERBATIM:
        text = legal_text(vr, text)
    return tag, vr, text.encode("utf-8")


def _item_in_utf_8(item: Item, character_set: str) -> Item:
    """Return an item in UTF-8; a character set of its own holds for it and what is inside."""
    for tag, _, value in item:
        if tag == keys.SPECIFIC_CHARACTER_SET and isinstance(value, bytes):
            character_set = value.decode("ascii", "replace")
    return [
        _in_utf_8(node, character_set) for node in item if node[0] != keys.SPECIFIC_CHARACTER_SET
    ]


def with_instance_number(encoded: bytes, number: int) -> bytes:
    """Return the body of a record with an Instance Number put in its place."""
    element = encode_item([(keys.INSTANCE_NUMBER, b"IS", b"%d" % number)])
    offset = 0
    while offset < len(encoded):
        group, tag, vr, length = struct.unpack_from("<HH2sH", encoded, offset)
        if (group << 16 | tag) > keys.INSTANCE_NUMBER:
            break
        if vr in LONG:
            (length,) = struct.unpack_from("<I", encoded, offset + 8)
            offset += 4
        offset += 8 + length
    return encoded[:offset] + element + encoded[offset:]
