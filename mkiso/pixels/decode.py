"""A compressed data set as a plain one, for a node that takes no compression."""

from __future__ import annotations

import io
import warnings

from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID

from mkiso.errors import DataError

#: Preamble, prefix, and a file meta that holds the transfer syntax alone.
_GROUP_LENGTH_ELEMENT = 12
_FILE_PREFIX = 132


def decoded_data_set(data_set: bytes, transfer_syntax_uid: str, target_syntax_uid: str) -> bytes:
    """Return the data set in a plain transfer syntax, its pixels decoded where they were packed.

    Raises DataError when no decoder is there or the pixels cannot be decoded. Source: PS3.5 A.4.
    """
    try:
        with warnings.catch_warnings():
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
    written = io.BytesIO()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = target
    dcmwrite(
        written,
        found,
        implicit_vr=target.is_implicit_VR,
        little_endian=target.is_little_endian,
        enforce_file_format=False,
    )
    content = written.getvalue()
    length = int.from_bytes(content[_FILE_PREFIX + 8 : _FILE_PREFIX + 12], "little")
    return content[_FILE_PREFIX + _GROUP_LENGTH_ELEMENT + length :]


def _with_file_meta(data_set: bytes, transfer_syntax_uid: UID) -> bytes:
    """Return the data set as a file with the least file meta that pydicom reads."""
    uid = str(transfer_syntax_uid).encode()
    uid += b"\0" * (len(uid) % 2)
    element = b"\x02\x00\x10\x00UI" + len(uid).to_bytes(2, "little") + uid
    group_length = b"\x02\x00\x00\x00UL\x04\x00" + len(element).to_bytes(4, "little")
    return bytes(128) + b"DICM" + group_length + element + data_set
