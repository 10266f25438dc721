"""Data sets with sequences as bytes and back, where a message is small and its time no matter.

pydicom does the work. What it warns about (a value that is not quite legal) concerns nobody here,
and its exceptions may quote a value: they end here.
"""

from __future__ import annotations

import io
import warnings

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from mkiso.core.contexts import IMPLICIT_VR_LITTLE_ENDIAN
from mkiso.errors import ProtocolError


def encode_data_set(data_set: Dataset, transfer_syntax_uid: str) -> bytes:
    """Return a data set in Implicit or Explicit VR Little Endian."""
    buffer = DicomBytesIO()
    buffer.is_little_endian = True
    buffer.is_implicit_VR = transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_dataset(buffer, data_set)
    value: bytes = buffer.getvalue()
    return value


def decode_data_set(data: bytes, transfer_syntax_uid: str) -> Dataset:
    """Return the data set in `data`, every element of it read. Raises ProtocolError."""
    implicit = transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data_set = read_dataset(
                io.BytesIO(data),
                is_implicit_VR=implicit,
                is_little_endian=True,
                bytelength=len(data),
            )
            data_set.decode()
            for _ in data_set.iterall():  # values are read when they are looked at
                pass
        except Exception:  # noqa: BLE001 - whatever strange bytes do to pydicom
            raise ProtocolError("The peer sent bytes that are no data set.") from None
    return data_set
