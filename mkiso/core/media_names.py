"""Names that media and file systems accept, and the moment a disc is made."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from mkiso.errors import ConfigError, UsageError

#: ECMA-119 7.4.1, d-characters: the alphabet of a Volume Identifier and of a File ID.
D_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")

#: File systems take 255; `.INCOMPLETE.json` and the numbers of several discs come on top.
MAX_NAME_BYTES = 200

#: 2155-12-31 23:59:59 UTC: the last moment that a directory record can say, ECMA-119 9.1.5.
LAST_ISO_SECOND = 5_869_583_999

#: What may stand in a file name everywhere; everything else becomes `_`.
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")

#: Windows refuses these whatever follows the first dot; an image is often carried there.
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?\Z")


def d_characters(text: str, maximum_length: int) -> str:
    """Give `text` in the d-characters of ECMA-119, cut to `maximum_length`."""
    return "".join(c if c in D_CHARACTERS else "_" for c in text.upper())[:maximum_length]


def file_safe_name(accession_number: str) -> str:
    """Give the name of a disc made for this accession number.

    A number that is a safe file name stays as it is. Otherwise a piece of its SHA-256 is added,
    so that `A/1` and `A:1` are two discs (FAULTS 4.1: whitelist and hash suffix).
    """
    text = accession_number.strip()
    safe = _UNSAFE.sub("_", text)
    if safe and safe == text and not safe.startswith((".", "-")) and not _RESERVED.match(safe):
        return safe
    suffix = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe.lstrip('.-') or '_'}_{suffix}"


def delivery_ending(deliver_as: str, *, encrypted: bool) -> str:
    """Give the ending of what is delivered: `.iso`, `.zip`, "" for a folder.

    What needs a pass phrase says so in its name: it is no disc that anybody can import.
    """
    if encrypted:
        return ".ENCRYPTED.zip"
    return {"iso": ".iso", "zip": ".zip", "folder": ""}[deliver_as]


def disc_name(name: str, number: int, *, complete: bool = True) -> str:
    """Give the base name of disc `number`: `NAME`, `NAME_2`; an incomplete one says so."""
    numbered = name if number == 1 else f"{name}_{number}"
    return numbered if complete else f"{numbered}.INCOMPLETE"


def source_date_epoch(environment: Mapping[str, str]) -> int | None:
    """Give SOURCE_DATE_EPOCH (seconds since 1970 UTC) of the environment, None when unset.

    Source: reproducible-builds.org, SOURCE_DATE_EPOCH specification. ISO 9660 dates end in 2155.
    """
    text = environment.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > LAST_ISO_SECOND:
        raise ConfigError(
            "SOURCE_DATE_EPOCH must be a number of seconds since 1970; "
            "unset it, or set it as `date +%s` prints it."
        )
    return int(text)


def require_disc_name(name: str) -> str:
    """Give a name that a person chose for the image, when it can be one.

    Raises UsageError.
    """
    if not name or name.startswith((".", "-")) or not name.isprintable() or set(name) & set("/\\"):
        raise UsageError(
            "The disc's name must be a plain file name without folder, not empty and not beginning "
            "with . or -; choose another."
        )
    if len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        raise UsageError(f"The disc's name is longer than {MAX_NAME_BYTES} bytes; shorten it.")
    return name
