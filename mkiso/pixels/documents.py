"""Documents and videos that are files in themselves (PS3.3 A.45; PS3.5 A.4.6 to A.4.9)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final
from xml.etree import ElementTree as ET

from mkiso.core.display_text import plain_text
from mkiso.core.viewer_image_table import IMAGE_TABLE
from mkiso.core.viewer_kinds import is_mpeg_2
from mkiso.core.viewer_reading import copied
from mkiso.core.viewer_values import Values
from mkiso.pixels.fragments import ReadAt, frames_of
from mkiso.pixels.spool import Spool
from mkiso.pixels.unshowable import (
    CLASS,
    TRUNCATED,
    UNREADABLE,
    VIDEO_FORMAT,
    UnshowableError,
    name_of_uid,
)

_BLOCK_BYTES: Final = 1 << 20
_MAX_CDA_BYTES: Final = 4 << 20
_MAX_PARAGRAPHS: Final = 5000
_PDF: Final = "application/pdf"
#: ISO/IEC 14496-12: the first box of an MP4 file.
_MP4_BOX: Final = b"ftyp"
# HL7 CDA narrative: elements that begin a new paragraph.
_PARAGRAPHS: Final = frozenset({"title", "paragraph", "item", "tr", "caption", "content", "text"})


def document(values: Values, read_at: ReadAt, spool: Spool) -> dict[str, Any]:
    """Return what the page gets of an encapsulated document. Raises UnshowableError."""
    span = values.span("EncapsulatedDocument")
    if span is None or span.stop <= span.start:
        raise UnshowableError(TRUNCATED, "There is no document.")
    length = values.integer("EncapsulatedDocumentLength") or span.stop - span.start
    stop = min(span.stop, span.start + length)
    mime_type = values.text("MIMETypeOfEncapsulatedDocument").lower() or _PDF
    title = values.text("DocumentTitle") or values.meaning("ConceptNameCodeSequence")
    found: dict[str, Any] = {"mime_type": mime_type, **({"title": title} if title else {})}
    if mime_type == _PDF:
        if b"%PDF" not in read_at(span.start, min(1024, stop - span.start)):
            raise UnshowableError(UNREADABLE, "It is no PDF file.")
        made = spool.document(_blocks(read_at, span.start, stop))
        return {"document": {**found, "extension": "PDF", **made}}
    if mime_type in {"text/xml", "application/xml"} and stop - span.start <= _MAX_CDA_BYTES:
        return {
            "document": {**found, "paragraphs": _paragraphs(read_at(span.start, stop - span.start))}
        }
    raise UnshowableError(CLASS, name_of_uid(values.uid("SOPClassUID")))


def video(
    values: Values, transfer_syntax_uid: str, read_at: ReadAt, spool: Spool
) -> dict[str, Any]:
    """Return what the page gets of a video: an MP4 file as it was. Raises UnshowableError."""
    if is_mpeg_2(transfer_syntax_uid):
        raise UnshowableError(VIDEO_FORMAT, "MPEG-2")
    fragments = [part for frame in frames_of(values, read_at, sys.maxsize) for part in frame]
    if not fragments:
        raise UnshowableError(TRUNCATED, "There is no video.")
    offset, length = fragments[0]
    if read_at(offset, min(12, length))[4:8] != _MP4_BOX:
        raise UnshowableError(VIDEO_FORMAT, "MPEG transport stream")
    made = spool.document(
        block for start, size in fragments for block in _blocks(read_at, start, start + size)
    )
    names = ("rows", "columns", "frame_time", "cine_rate", "recommended_display_frame_rate")
    attributes = copied(values, IMAGE_TABLE)
    shown = {name: attributes[name] for name in names if name in attributes}
    count = values.integer("NumberOfFrames")
    return {"video": {"extension": "MP4", "frames": count, **shown, **made}}


def _blocks(read_at: ReadAt, start: int, stop: int) -> Iterator[bytes]:
    for at in range(start, stop, _BLOCK_BYTES):
        yield read_at(at, min(_BLOCK_BYTES, stop - at))


def _paragraphs(content: bytes) -> list[str]:
    """Return the text of a clinical document: its own markup is never shown as markup.

    A document with a type definition is refused: entities can make much out of little.
    """
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UnshowableError(UNREADABLE, "The document has a type definition.")
    try:
        root = ET.fromstring(content)  # noqa: S314 - no entities, see above; limits of the worker
    except (ET.ParseError, ValueError, LookupError) as error:
        raise UnshowableError(UNREADABLE, "It is no XML document.") from error
    paragraphs: list[str] = []
    _collect(root, paragraphs)
    shown = (plain_text(paragraph) for paragraph in paragraphs)
    return [paragraph for paragraph in shown if paragraph][:_MAX_PARAGRAPHS]


def _collect(root: ET.Element, paragraphs: list[str]) -> None:
    """Add the texts below an element, in reading order, without calling itself."""
    pending: list[ET.Element | str] = [root]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            paragraphs[-1:] = [f"{paragraphs[-1]} {part}"] if paragraphs else [part]
            continue
        name = str(part.tag).rpartition("}")[2]
        if name in _PARAGRAPHS or not paragraphs:
            paragraphs.append("")
        inner: list[ET.Element | str] = [part.text] if part.text else []
        for child in part:
            inner.append(child)
            if child.tail:
                inner.append(child.tail)
        pending += reversed(inner)
