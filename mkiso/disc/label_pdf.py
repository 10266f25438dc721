"""A label as PDF: one page of 120 mm by 120 mm, in the fonts that every reader has (ISO 32000-1).

Those fonts know Western European letters only; other names need the SVG.
"""

from __future__ import annotations

import math

from mkiso.core.label import SIDE_ROOM, Label, room_at

_POINTS = 72 / 25.4  # in a millimetre
_SIZE = 120 * _POINTS
#: How far the control points of a quarter of a circle are, for a radius of 1.
_CURVE = 4 / 3 * (math.sqrt(2) - 1)
# Helvetica, Adobe Font Metrics: widths of the characters from space to tilde, in thousandths
_WIDTHS = (
    *(278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556,) * 10,
    *(278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500),
    *(667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611),
    *(278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222),
    *(833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584),
)


def label_pdf(label: Label) -> bytes:
    """Return the label as PDF. Raises UnicodeEncodeError for letters its fonts do not have."""
    parts = [_circle(59), _circle(11)]
    for number, line in enumerate(label.lines_above):
        size, y = 5.2 if number == 1 else 4.0, 20 + number * 6.5
        parts.append(_text(line, (60, y), size, room_at(y - 3), bold=number == 1))
    for number, line in enumerate(label.kind_lines):
        parts.append(_text(line, (20.5, 58.5 + 5 * number), 4.4, SIDE_ROOM, bold=True))
    if label.of > 1:
        parts.append(_text(label.disc_line, (99.5, 61.5), 5, SIDE_ROOM, bold=True))
    for number, line in enumerate(label.lines_below):
        y = 88 + number * 5.4
        parts.append(_text(line, (60, y), 3.6, room_at(y)))
    return _document(b"\n".join(parts))


def _circle(radius: float) -> bytes:
    """Return a circle around the middle of the page."""
    middle, r = _SIZE / 2, radius * _POINTS
    c = r * _CURVE
    corners = ((r, 0), (0, r), (-r, 0), (0, -r))
    path = [f"0.5 w {middle + r:.2f} {middle:.2f} m"]
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        one = (x0 - y0 * c / r, y0 + x0 * c / r)
        two = (x1 + y1 * c / r, y1 - x1 * c / r)
        points = " ".join(f"{middle + x:.2f} {middle + y:.2f}" for x, y in (one, two, (x1, y1)))
        path.append(f"{points} c")
    return (" ".join(path) + " S").encode("ascii")


def _text(
    line: str, place: tuple[float, float], size: float, room: float, *, bold: bool = False
) -> bytes:
    """Return a line of text with its middle at `place`, all in millimetres from the top left.

    It is smaller than `size` when it would be wider than `room`.
    """
    raw = line.encode("cp1252")
    x, y = place
    ems = sum(_WIDTHS[byte - 32] if 32 <= byte < 127 else 667 for byte in raw) / 1000
    ems *= 1.08 if bold else 1.0
    height = min(size, room / max(ems, 1.0)) * _POINTS
    width = ems * height
    left, base = x * _POINTS - width / 2, _SIZE - y * _POINTS
    shown = raw.replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
    font = "F2" if bold else "F1"
    return f"BT /{font} {height:.2f} Tf {left:.2f} {base:.2f} Td (".encode() + shown + b") Tj ET"


def _document(content: bytes) -> bytes:
    """Return a PDF of one page with this content."""
    fonts = [
        f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>".encode()
        for name in ("Helvetica", "Helvetica-Bold")
    ]
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {_SIZE:.2f} {_SIZE:.2f}] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        *fonts,
    ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    out += b"startxref\n%d\n%%%%EOF\n" % table
    return bytes(out)
