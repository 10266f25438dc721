"""Which directory record an instance gets (PS3.3 F.3-3, F.4).

The keys of each type are in record_keys.
"""

from __future__ import annotations

#: Record types that stand at the root, without patient, study and series (PS3.3 table F.4-1).
ROOT_TYPES = frozenset({"HANGING PROTOCOL", "IMPLANT", "IMPLANT ASSY", "IMPLANT GROUP", "PALETTE"})

_STORAGE = "1.2.840.10008.5.1.4.1.1"

# PS3.4 B.5, PS3.3 A and F.5. A class that is not listed here is IMAGE or PRIVATE, see record_type.
# Retired stand-alone curves, overlays and LUTs have record types that are retired with them
# (and refused by validators), so that they are PRIVATE; so are classes without a type of their own.
_TYPES: dict[str, tuple[str, ...]] = {
    "ASSESSMENT": (f"{_STORAGE}.90.1",),
    "ENCAP DOC": tuple(f"{_STORAGE}.104.{n}" for n in (1, 2, 3, 4, 5)),  # PDF CDA STL OBJ MTL
    "FIDUCIAL": (f"{_STORAGE}.66.2",),
    "HANGING PROTOCOL": ("1.2.840.10008.5.1.4.38.1",),
    "IMAGE": (
        "1.2.840.10008.5.1.1.29",  # hardcopy grayscale
        "1.2.840.10008.5.1.1.30",  # hardcopy colour
        *(f"{_STORAGE}.1{n}" for n in ("", ".1", ".1.1", ".2", ".2.1", ".3", ".3.1")),  # CR, DX
        *(f"{_STORAGE}.2{n}" for n in ("", ".1", ".2")),  # CT
        *(f"{_STORAGE}.3{n}" for n in ("", ".1")),  # US multi-frame
        *(f"{_STORAGE}.4{n}" for n in ("", ".1", ".3", ".4")),  # MR
        f"{_STORAGE}.5",  # NM, retired
        *(f"{_STORAGE}.6{n}" for n in ("", ".1", ".2", ".3")),  # US, photoacoustic
        *(f"{_STORAGE}.7{n}" for n in ("", ".1", ".2", ".3", ".4")),  # secondary capture
        *(f"{_STORAGE}.12.{n}" for n in ("1", "1.1", "2", "2.1", "3")),  # XA, XRF
        *(f"{_STORAGE}.13.1.{n}" for n in (1, 2, 3, 4, 5)),  # X-ray 3D, breast
        *(f"{_STORAGE}.14.{n}" for n in (1, 2)),  # intravascular OCT
        f"{_STORAGE}.20",  # NM
        f"{_STORAGE}.30",  # parametric map
        *(f"{_STORAGE}.66.{n}" for n in (4, 7, 8)),  # segmentation, label and height map
        *(f"{_STORAGE}.77.{n}" for n in ("1", "2")),  # VL, trial
        *(f"{_STORAGE}.77.1.{n}" for n in ("1", "1.1", "2", "2.1", "3", "4", "4.1")),  # VL
        *(f"{_STORAGE}.77.1.5.{n}" for n in (1, 2, 4, 5, 6, 7, 8)),  # ophthalmic
        *(f"{_STORAGE}.77.1.{n}" for n in (6, 7, 8, 9)),  # whole slide, skin, confocal
        f"{_STORAGE}.81.1",  # ophthalmic thickness map
        f"{_STORAGE}.82.1",  # corneal topography map
        *(f"{_STORAGE}.{n}" for n in ("128", "128.1", "130")),  # PET
        *(f"{_STORAGE}.481.{n}" for n in (1, 23, 24)),  # RT image
        *(f"{_STORAGE}.501.{n}" for n in ("1", "2.1", "2.2", "4", "5")),  # DICOS
        *(f"{_STORAGE}.601.{n}" for n in (1, 2)),  # eddy current
    ),
    "IMPLANT": ("1.2.840.10008.5.1.4.43.1",),
    "IMPLANT ASSY": ("1.2.840.10008.5.1.4.44.1",),
    "IMPLANT GROUP": ("1.2.840.10008.5.1.4.45.1",),
    "KEY OBJECT DOC": (f"{_STORAGE}.88.59",),
    "MEASUREMENT": (
        *(f"{_STORAGE}.78.{n}" for n in (1, 2, 3, 4, 5, 7, 8)),  # eye care, lens calculations
        f"{_STORAGE}.80.1",  # visual field static perimetry
    ),
    "PALETTE": ("1.2.840.10008.5.1.4.39.1",),
    "PLAN": ("1.2.840.10008.5.1.4.34.7", "1.2.840.10008.5.1.4.34.10"),
    "PRESENTATION": (
        *(f"{_STORAGE}.11.{n}" for n in range(1, 13)),
        f"{_STORAGE}.131",  # basic structured display
    ),
    "PRIVATE": (
        "1.2.840.10008.5.1.1.27",  # stored print
        f"{_STORAGE}.8",  # standalone overlay
        f"{_STORAGE}.9",  # standalone curve
        f"{_STORAGE}.10",  # standalone modality LUT
        f"{_STORAGE}.11",  # standalone VOI LUT
        f"{_STORAGE}.129",  # standalone PET curve
        *(f"{_STORAGE}.200.{n}" for n in (1, 2, 3, 7, 8)),  # procedure protocols, approval
        *(f"{_STORAGE}.501.{n}" for n in (3, 6)),  # DICOS threat detection, quadrupole resonance
        "1.2.840.10008.5.1.4.34.1",  # RT beams delivery instruction, trial
        # ANNOTATION and INVENTORY are the standard's, but pydicom 3.0 loads nothing of a directory
        # that has one record of a type it does not know
        f"{_STORAGE}.91.1",  # microscopy bulk simple annotations
        f"{_STORAGE}.201.1",  # inventory
    ),
    "RADIOTHERAPY": tuple(
        f"{_STORAGE}.481.{n}" for n in (10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 25)
    ),
    "RAW DATA": (f"{_STORAGE}.66",),
    "REGISTRATION": (f"{_STORAGE}.66.1", f"{_STORAGE}.66.3"),
    "RT DOSE": (f"{_STORAGE}.481.2",),
    "RT PLAN": (f"{_STORAGE}.481.5", f"{_STORAGE}.481.8"),
    "RT STRUCTURE SET": (f"{_STORAGE}.481.3",),
    "RT TREAT RECORD": tuple(f"{_STORAGE}.481.{n}" for n in (4, 6, 7, 9)),
    "SPECTROSCOPY": (f"{_STORAGE}.4.2",),
    "SR DOCUMENT": (
        *(f"{_STORAGE}.88.{n}" for n in (1, 2, 3, 4, 11, 22, 33, 34, 35, 40, 50, 65)),
        *(f"{_STORAGE}.88.{n}" for n in (67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77)),
        f"{_STORAGE}.78.6",  # spectacle prescription report
        f"{_STORAGE}.79.1",  # macular grid thickness and volume report
    ),
    "STEREOMETRIC": (f"{_STORAGE}.77.1.5.3",),
    "SURFACE": (f"{_STORAGE}.66.5",),
    "SURFACE SCAN": (f"{_STORAGE}.68.1", f"{_STORAGE}.68.2"),
    "TRACT": (f"{_STORAGE}.66.6",),
    "VALUE MAP": (f"{_STORAGE}.67",),
    "WAVEFORM": (
        *(f"{_STORAGE}.9.{n}" for n in ("1", "1.1", "1.2", "1.3", "1.4", "2.1", "3.1", "4.1")),
        *(f"{_STORAGE}.9.{n}" for n in ("4.2", "5.1", "6.1", "6.2", "7.1", "7.2", "7.3", "7.4")),
        f"{_STORAGE}.9.8.1",
    ),
}

_TYPE_OF_CLASS = {uid: name for name, uids in _TYPES.items() for uid in uids}


def record_type(sop_class_uid: str, *, has_pixels: bool) -> str:
    """Return the Directory Record Type for an instance of a SOP class.

    A class unknown to the table is IMAGE when it has pixels; otherwise PRIVATE, whose Private
    Record UID is then the class (PS3.3 F.6.1), which every reader may skip.
    """
    return _TYPE_OF_CLASS.get(sop_class_uid) or ("IMAGE" if has_pixels else "PRIVATE")
