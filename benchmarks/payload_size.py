"""How small the viewer's pixels get: the payload of real CT and MR images, before base64.

    python benchmarks/payload_size.py FOLDER

Prints the share of the raw pixels' bytes, by modality. What the viewer costs in time and memory is
measured by benchmarks/bench.py, parts 6, 10 and 11.
"""

import argparse
import statistics
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def payload_share(data: Path) -> list[str]:
    """Return the lines about size: single-frame CT and MR images of the folder, by modality.

    Test data whose pixels were replaced by noise is no image: neighbours have nothing in common.
    """
    import pydicom  # noqa: PLC0415

    from mkiso.pixels.payload import PayloadEncoder  # noqa: PLC0415

    warnings.simplefilter("ignore")
    encoder = PayloadEncoder()
    shares: dict[str, list[tuple[int, int]]] = {}  # bytes of payload, of raw pixels
    noise: list[tuple[int, int]] = []
    for path in sorted(data.rglob("*")):
        try:
            ds = pydicom.dcmread(path)
            if ds.Modality not in {"CT", "MR"} or "PixelData" not in ds or "Rows" not in ds:
                continue
            frame = ds.pixel_array
        except Exception:  # noqa: BLE001 - what is no image is none of ours
            continue
        if frame.ndim != 2 or frame.dtype.itemsize != 2:
            continue
        _, parts = encoder.encode(frame)
        found = noise if is_noise(frame) else shares.setdefault(ds.Modality, [])
        found.append((sum(map(len, parts)), frame.nbytes))
    shares["all"] = [pair for found in shares.values() for pair in found]
    if not shares["all"]:
        return [f"No CT or MR images in {data}."]
    return [
        "Payload before base64, of raw pixels:",
        *(
            f"  {name:3} {sum(c for c, _ in pairs) / sum(r for _, r in pairs):.1%} of all bytes, "
            f"{statistics.mean(c / r for c, r in pairs):.1%} the mean of {len(pairs)} images"
            for name, pairs in [*sorted(shares.items()), ("not counted, noise", noise)]
            if pairs
        ),
    ]


def is_noise(frame: Any) -> bool:
    """Tell whether a frame has no picture: its neighbours are not correlated."""
    left, right = frame[:, :-1].ravel(), frame[:, 1:].ravel()
    return left.std() > 0 and right.std() > 0 and abs(np.corrcoef(left, right)[0, 1]) < 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    print("\n".join(payload_share(parser.parse_args().folder)))


if __name__ == "__main__":
    main()
