"""A compressed or big endian data set as a plain one, for a node that takes nothing else."""

from __future__ import annotations

import io
import threading
import warnings
from array import array

from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID

from mkiso.errors import DataError

#: PS3.5 6.2: values of words, which pydicom writes as they were read, and how long a word is.
_TYPE_OF_WORD = {"OW": "H", "OL": "I", "OF": "I", "OD": "Q", "OV": "Q"}
_BITS_OF_OW = 16
#: What warnings are shown is decided for the whole process: one conversion at a time.
_ONE_AT_A_TIME = threading.Lock()


def decoded_data_set(data_set: bytes, transfer_syntax_uid: str, target_syntax_uid: str) -> bytes:
    """Return the data set in a plain transfer syntax, its pixels decoded where they were packed.

    Raises DataError when no decoder is there or the pixels cannot be decoded. Source: PS3.5 A.4.
    """
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values that the archive wrote
            return _converted(data_set, UID(transfer_syntax_uid), UID(target_syntax_uid))
    except Exception as error:  # decoders raise whatever they like
        raise DataError(
            f"Transfer syntax {transfer_syntax_uid} could not be converted to {target_syntax_uid} "
            f"({type(error).__name__}); install mkiso[codecs] for all decoders."
        ) from error


def _converted(data_set: bytes, source: UID, target: UID) -> bytes:
    """Return the data set in the syntax `target`."""
    found = dcmread(io.BytesIO(_with_file_meta(data_set, source)), force=True)
    if source.is_compressed:
        found.decompress(generate_instance_uid=False)
    if source.is_little_endian != target.is_little_endian:
        if found.get("BitsAllocated", 0) > _BITS_OF_OW:
            # dcmtk turns the bytes of each half, pydicom those of the whole: nobody can tell
            raise ValueError("big endian pixels of more than 16 bits have two readings")
        found.walk(_swap_bytes_of_words)
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = target.is_implicit_VR
    buffer.is_little_endian = target.is_little_endian
    write_dataset(buffer, found)
    written: bytes = buffer.getvalue()
    if not written:
        raise ValueError("nothing was written")
    return written


def _swap_bytes_of_words(_: Dataset, element: DataElement) -> None:
    """Turn the byte order of a value of words (PS3.5 7.3)."""
    word = _TYPE_OF_WORD.get(element.VR)
    if word is not None and isinstance(element.value, bytes):
        words = array(word, element.value)
        words.byteswap()
        element.value = words.tobytes()


def _with_file_meta(data_set: bytes, transfer_syntax_uid: UID) -> bytes:
    """Return the data set as a file with the least file meta that pydicom reads."""
    uid = str(transfer_syntax_uid).encode()
    uid += b"\0" * (len(uid) % 2)
    element = b"\x02\x00\x10\x00UI" + len(uid).to_bytes(2, "little") + uid
    group_length = b"\x02\x00\x00\x00UL\x04\x00" + len(element).to_bytes(4, "little")
    return bytes(128) + b"DICM" + group_length + element + data_set
