"""Presentation contexts for a C-GET: which storage classes to offer, in which transfer syntaxes.

The instances come over the association that asks, so every class and syntax that may come must be
offered beforehand, one pair in one context: an archive takes one syntax of each context.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mkiso.core.contexts import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, is_uid

#: PS3.8 9.3.2.2: 128 context IDs, one of them for the C-GET itself.
MOST_CONTEXTS = 127

#: PS3.5 Annex A, the usual ones first; the five that are never accepted (contexts.py) left out.
_PLAIN_SYNTAXES = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
_COMPRESSED_SYNTAXES = (
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.90",  # JPEG 2000, lossless
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.80",  # JPEG-LS, lossless
    "1.2.840.10008.1.2.5",  # RLE lossless
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS, near-lossless
    "1.2.840.10008.1.2.4.102",  # MPEG-4 AVC/H.264 high profile 4.1
    "1.2.840.10008.1.2.4.103",  # MPEG-4 AVC/H.264 BD-compatible
    "1.2.840.10008.1.2.4.100",  # MPEG-2 main level
    "1.2.840.10008.1.2.4.101",  # MPEG-2 high level
    "1.2.840.10008.1.2.4.201",  # high-throughput JPEG 2000, lossless
    "1.2.840.10008.1.2.4.202",  # high-throughput JPEG 2000, lossless, RPCL
    "1.2.840.10008.1.2.4.203",  # high-throughput JPEG 2000
    "1.2.840.10008.1.2.4.104",  # MPEG-4 AVC/H.264 4.2, 2D
    "1.2.840.10008.1.2.4.105",  # MPEG-4 AVC/H.264 4.2, 3D
    "1.2.840.10008.1.2.4.106",  # MPEG-4 AVC/H.264 stereo
    "1.2.840.10008.1.2.4.107",  # HEVC/H.265 main
    "1.2.840.10008.1.2.4.108",  # HEVC/H.265 main 10
    "1.2.840.10008.1.2.4.110",  # JPEG XL, lossless
    "1.2.840.10008.1.2.4.111",  # JPEG XL, recompressed JPEG
    "1.2.840.10008.1.2.4.112",  # JPEG XL
    "1.2.840.10008.1.2.8.1",  # deflated image frames
    "1.2.840.10008.1.2.4.92",  # JPEG 2000 part 2, lossless
    "1.2.840.10008.1.2.4.93",  # JPEG 2000 part 2
)
_LAST_SYNTAXES = ("1.2.840.10008.1.2.2",)  # Explicit VR Big Endian, retired
SYNTAXES = (*_PLAIN_SYNTAXES, *_COMPRESSED_SYNTAXES, *_LAST_SYNTAXES)

_ROOT = "1.2.840.10008.5.1.4.1.1."

#: Storage classes in series of a modality, PS3.4 Table B.5-1; the root is left out.
CLASSES_OF_MODALITY: dict[str, tuple[str, ...]] = {
    "ANN": ("91.1",),
    "AU": ("9.4.1", "9.4.2"),
    "CR": ("1",),
    "CT": ("2", "2.1", "2.2"),
    "DMS": ("77.1.7",),
    "DOC": ("104.1", "104.2"),
    "DX": ("1.1", "1.1.1"),
    "ECG": ("9.1.1", "9.1.2", "9.1.3", "9.1.4"),
    "EPS": ("9.3.1",),
    "ES": ("77.1.1", "77.1.1.1"),
    "FID": ("66.2",),
    "GM": ("77.1.2", "77.1.2.1"),
    "HD": ("9.2.1",),
    "IO": ("1.3", "1.3.1"),
    "IVOCT": ("14.1", "14.2"),
    "IVUS": ("3.1", "6.1"),
    "KO": ("88.59",),
    "M3D": ("104.3", "104.4", "104.5"),
    "MG": ("1.2", "1.2.1", "13.1.3", "13.1.4", "13.1.5"),
    "MR": ("4", "4.1", "4.2", "4.3", "4.4", "30"),
    "NM": ("20",),
    "OP": ("77.1.5.1", "77.1.5.2", "77.1.5.5", "77.1.5.6"),
    "OPT": ("77.1.5.4", "77.1.5.8"),
    "OT": ("7", "7.1", "7.2", "7.3", "7.4"),
    "PR": ("11.1", "11.2", "11.3", "11.4", "11.5", "11.8"),
    "PT": ("128", "128.1", "130"),
    "PX": ("1.1", "1.1.1"),
    "REG": ("66.1", "66.3"),
    "RF": ("12.2", "12.2.1"),
    "RTDOSE": ("481.2",),
    "RTIMAGE": ("481.1",),
    "RTPLAN": ("481.5", "481.8"),
    "RTRECORD": ("481.4", "481.6", "481.7", "481.9"),
    "RTSTRUCT": ("481.3",),
    "RWV": ("67",),
    "SC": ("7", "7.1", "7.2", "7.3", "7.4"),
    "SEG": ("66.4", "66.5", "66.7"),
    "SM": ("77.1.3", "77.1.6"),
    "SR": ("88.11", "88.22", "88.33", "88.34", "88.67", "88.68", "88.50", "88.65"),
    "US": ("6.1", "3.1", "6.2"),
    "XA": ("12.1", "12.1.1", "13.1.1"),
    "XC": ("77.1.4", "77.1.4.1"),
}

#: These occur under every modality: captures, key objects, presentation states, raw data.
_EVERYWHERE = ("7", "7.2", "7.3", "7.4", "88.59", "11.1", "66")

#: Classes without pixels, which no syntax compresses: what their UIDs begin with after the root.
_WITHOUT_PIXELS = (
    *("88.", "11.", "9.", "104.", "78.", "79.", "80.", "131.", "67.", "68.", "91.", "200.", "201."),
    *("66.1.", "66.2.", "66.3.", "66.5.", "66.6."),
    *("481.3.", "481.4.", "481.5.", "481.6.", "481.7.", "481.8.", "481.9."),
)


def plan_contexts(
    sop_class_uids: Iterable[str], modalities: Iterable[str] = ()
) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return groups of (SOP class, transfer syntax), one group for each association.

    Without classes (dcmqrscp names none) those of the `modalities` are offered, without these all
    of the table. The first group has the usual syntaxes of all classes, as far as there is room.
    """
    classes = [uid for uid in dict.fromkeys(sop_class_uids) if is_uid(uid)]
    if not classes:
        classes = _classes_of(tuple(modalities))
    pairs = [
        (sop_class_uid, syntax)
        for syntax in SYNTAXES
        for sop_class_uid in classes
        if syntax not in _COMPRESSED_SYNTAXES or _may_have_pixels(sop_class_uid)
    ]
    return tuple(
        tuple(pairs[start : start + MOST_CONTEXTS]) for start in range(0, len(pairs), MOST_CONTEXTS)
    )


def _classes_of(modalities: Sequence[str]) -> list[str]:
    """Return the classes of these modalities and those that occur everywhere."""
    rows = [CLASSES_OF_MODALITY[m] for m in modalities if m in CLASSES_OF_MODALITY]
    rows = rows or list(CLASSES_OF_MODALITY.values())
    ends = dict.fromkeys(end for row in (*rows, _EVERYWHERE) for end in row)
    return [_ROOT + end for end in ends]


def _may_have_pixels(sop_class_uid: str) -> bool:
    """Return whether compressed pixels are possible; private and unknown classes may have them."""
    end = sop_class_uid.removeprefix(_ROOT)
    return end == sop_class_uid or not f"{end}.".startswith(_WITHOUT_PIXELS)
