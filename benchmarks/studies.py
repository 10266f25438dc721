"""Studies for the benchmarks: CT slices made from one header, fast enough for 50,000 of them.

    python benchmarks/studies.py FOLDER '[{"accession_number": "A", "instances": 1000}]'

A program of its own, so that numpy's memory is not that of the programs that the benchmark starts.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

ACCESSION_NUMBER = "BENCH.1000"
STUDY_ROOT = "1.2.826.0.1.3680043.8.498.52017"

#: What stands in the header of a series for what differs from instance to instance.
_UID_TOKEN = b"1234567"
_NUMBER_TOKEN = b"7654321"


@dataclass(frozen=True)
class Study:
    """What one study holds. A side of 512 gives 527 KB, one of 93 gives 20 KB."""

    accession_number: str = ACCESSION_NUMBER
    instances: int = 1000
    side: int = 512  # rows and columns of 16 bit
    series: int = 1
    number: int = 1  # of the study, and of its patient


def describe(studies: Sequence[Study]) -> str:
    """Return what the command line takes."""
    return json.dumps([asdict(study) for study in studies])


def write_study(folder: Path, study: Study) -> None:
    """Write flat files; UIDs, numbers and noise differ, so that nothing can be shared.

    The air's noise has 3 bits and the body's 5.6: they compress as real CT slices do on average.
    """
    folder.mkdir(parents=True, exist_ok=True)
    picture = _Picture(study.side)
    templates = [_template(study, number) for number in range(1, study.series + 1)]
    for number in range(1, study.instances + 1):
        head = templates[number % study.series]
        head = head.replace(_UID_TOKEN, b"%d" % (1_000_000 + number))
        head = head.replace(_NUMBER_TOKEN, b"%-7d" % number)
        name = f"IM{number:06d}" if study.number == 1 else f"S{study.number:05d}_{number:05d}"
        (folder / name).write_bytes(head + picture.pixels(number))


class _Picture:
    """Pixel data: an ellipse in air."""

    def __init__(self, side: int) -> None:
        import numpy as np  # noqa: PLC0415 - the benchmark itself imports this file without it

        y, x = np.mgrid[:side, :side] / max(side, 1) - 0.5
        self._body = (x / 0.37) ** 2 + (y / 0.25) ** 2 < 1
        self._noise = np.random.default_rng(7).integers(0, 48, side * side + 65536).astype("<i2")
        self._where, self._shape = np.where, (side, side)

    def pixels(self, number: int) -> bytes:
        start = number * 4099 % 65536
        noise = self._noise[start:][: self._body.size].reshape(self._shape)
        return self._where(self._body, 1040 + noise, 24 + noise % 8).astype("<i2").tobytes()


def _template(study: Study, series: int) -> bytes:
    """Return everything of an instance's file before the pixels."""
    from pydicom import dcmwrite  # noqa: PLC0415

    data_set = header(study, series)
    data_set.PixelData = bytes(2 * study.side**2)
    stream = BytesIO()
    dcmwrite(stream, data_set, enforce_file_format=True)
    return stream.getvalue()[: -2 * study.side**2]


def header(study: Study, series: int):
    """Return a CT header with as many elements as a scanner writes."""
    from pydicom.dataset import Dataset, FileMetaDataset  # noqa: PLC0415
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian  # noqa: PLC0415

    study_uid = f"{STUDY_ROOT}.{study.number}.{study.side}"
    series_uid = f"{study_uid}.{series}"
    number = _NUMBER_TOKEN.decode()
    data_set = Dataset()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.SOPClassUID = CTImageStorage
    data_set.SOPInstanceUID = f"{series_uid}.{_UID_TOKEN.decode()}"
    data_set.StudyDate = data_set.SeriesDate = data_set.ContentDate = "20260105"
    data_set.StudyTime = data_set.SeriesTime = data_set.ContentTime = "101112"
    data_set.AccessionNumber = study.accession_number
    data_set.Modality = "CT"
    data_set.Manufacturer = "Benchmark"
    data_set.InstitutionName = "Benchmark Hospital"
    data_set.ReferringPhysicianName = "Referring^Rita"
    data_set.StudyDescription = "Chest and abdomen"
    data_set.SeriesDescription = "Axial 1.0 mm"
    data_set.PatientName = "Bench^Mark"
    data_set.PatientID = f"BENCH-{study.number}"
    data_set.PatientBirthDate = "19700101"
    data_set.PatientSex = "O"
    data_set.KVP = "120"
    data_set.SliceThickness = "1.0"
    data_set.StudyInstanceUID = study_uid
    data_set.SeriesInstanceUID = series_uid
    data_set.StudyID = "1"
    data_set.SeriesNumber = series
    data_set.InstanceNumber = number
    data_set.ImagePositionPatient = ["-180", "-180", number]
    data_set.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data_set.FrameOfReferenceUID = series_uid + ".9"
    data_set.SliceLocation = number
    data_set.SamplesPerPixel = 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.Rows = data_set.Columns = study.side
    data_set.PixelSpacing = [0.7, 0.7]
    data_set.BitsAllocated = data_set.BitsStored = 16
    data_set.HighBit = 15
    data_set.PixelRepresentation = 1
    data_set.WindowCenter, data_set.WindowWidth = "40", "400"
    data_set.RescaleIntercept, data_set.RescaleSlope = "-1024", "1"
    for index in range(60):  # a scanner's private block
        data_set.add_new(0x00431000 + index, "LO", f"private value {index}")
    data_set.add_new(0x00430010, "LO", "MKISO BENCHMARK")
    return data_set


def write_large_object(folder: Path, size_bytes: int) -> None:
    """Write one multi-frame object with about `size_bytes` of zeros, a sparse file."""
    from pydicom import dcmwrite  # noqa: PLC0415
    from pydicom.uid import (  # noqa: PLC0415
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    )

    folder.mkdir(parents=True, exist_ok=True)
    frame_bytes = 2048 * 2048 * 2
    data_set = header(Study(side=2048), 2)
    data_set.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    data_set.SOPInstanceUID = f"{data_set.SeriesInstanceUID}.1"
    data_set.InstanceNumber = data_set.SliceLocation = "1"
    data_set.ImagePositionPatient = ["0", "0", "0"]
    data_set.NumberOfFrames = size_bytes // frame_bytes
    data_set.PixelData = b"\0\0"
    path = folder / "LARGE"
    dcmwrite(path, data_set, enforce_file_format=True)
    length = data_set.NumberOfFrames * frame_bytes
    with path.open("r+b") as file:
        file.seek(-6, 2)  # the length of Pixel Data, the last element
        file.write(length.to_bytes(4, "little"))
        file.truncate(file.tell() + length)


def main() -> None:
    folder, wanted = Path(sys.argv[1]), json.loads(sys.argv[2])
    if isinstance(wanted, int):
        write_large_object(folder, wanted)
        return
    for each in wanted:
        write_study(folder, Study(**each))


if __name__ == "__main__":
    main()
