"""Plain data sets from one encoding of their elements to the other, for a peer that takes one only.

Pixels are not touched: compressed objects, and big endian ones, are sent as they are or not at all.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from mkiso.core.contexts import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

#: Between these a data set can be re-encoded.
PLAIN_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


def reencoded(path: Path, transfer_syntax_uid: str) -> bytes | None:
    """Return the data set of a plain file in the other plain syntax; None when that fails."""
    from pydicom import dcmread, filewriter  # noqa: PLC0415 - start-up time
    from pydicom.filebase import DicomFileLike  # noqa: PLC0415

    buffer = DicomFileLike(io.BytesIO())
    buffer.is_little_endian = True
    buffer.is_implicit_VR = transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data_set = dcmread(path)
            filewriter.write_dataset(buffer, data_set)
        except Exception:  # noqa: BLE001 - whatever a strange object does to pydicom, it is not sent
            return None
    value: bytes = buffer.parent.getvalue()
    return value
