"""The phantom's anatomy: where the organs of an imagined adult lie, in mm, and their values in HU.

Depth 0 is the first slice, at the fourth thoracic vertebra; x grows to the patient's left, y to
the back. The values are those of a portal venous phase at 120 kV.
"""

from __future__ import annotations

import numpy as np

from mkiso.pixels.phantom_painting import Ellipsoid, Spheres, tube

# Hounsfield units of tissues
AIR, LUNG, FAT, WATER, MUSCLE, SKIN = -1000.0, -862.0, -102.0, 8.0, 58.0, 25.0
MARROW, CORTEX, CARTILAGE, DISC, CORD = 150.0, 560.0, 115.0, 88.0, 34.0
BLOOD, MYOCARDIUM, LIVER, SPLEEN, PORTAL = 152.0, 108.0, 108.0, 122.0, 168.0
KIDNEY, MEDULLA, PANCREAS, BOWEL_WALL, BOWEL, STOMACH_WALL = 186.0, 138.0, 92.0, 84.0, 26.0, 78.0

#: Outlines by depth: half width, half depth of the skin; of the middle of the ribs; of what lies
#: between the lungs. Interpolated.
DEPTHS = (0.0, 40.0, 90.0, 150.0, 210.0, 270.0, 320.0, 380.0)
SKIN_WIDTH = (170.0, 170.0, 166.0, 161.0, 156.0, 151.0, 149.0, 152.0)
SKIN_HEIGHT = (108.0, 112.0, 116.0, 117.0, 116.0, 113.0, 110.0, 108.0)
RIBS_WIDTH = (96.0, 113.0, 127.0, 133.0, 134.0, 131.0, 126.0, 120.0)
RIBS_HEIGHT = (74.0, 83.0, 91.0, 96.0, 97.0, 94.0, 89.0, 84.0)
MEDIASTINUM_WIDTH = (33.0, 33.0, 34.0, 30.0, 28.0, 28.0, 28.0, 28.0)

#: Centre of the ribs' ring, of the vertebral bodies, and of the spinal canal along y.
RIBS_Y, VERTEBRA_Y, CANAL_Y = -7.0, 55.0, 79.0
#: A thoracolumbar segment, vertebra and disc, and the distance of two ribs along the body.
SEGMENT_MM, DISC_MM, RIB_PITCH_MM = 29.0, 6.0, 25.0

HEART = Ellipsoid((24, -30, 143), (60, 47, 56), turn=0.55, lean=(0.16, -0.02), lumps=0.05)
LEFT_VENTRICLE = Ellipsoid((42, -22, 152), (25, 19, 37), turn=0.6, lean=(0.2, -0.05), lumps=0.05)
LEFT_VENTRICLE_WALL = Ellipsoid((42, -22, 153), (37, 30, 47), turn=0.6, lean=(0.2, -0.05))
RIGHT_VENTRICLE = Ellipsoid((8, -50, 152), (32, 17, 38), turn=0.5, lean=(0.25, 0), lumps=0.08)
RIGHT_ATRIUM = Ellipsoid((-24, -24, 140), (19, 25, 36), turn=0.2, lumps=0.07)
LEFT_ATRIUM = Ellipsoid((8, 9, 120), (33, 16, 24), turn=-0.1, lumps=0.08)

LIVER_PARTS = (
    Ellipsoid((-70, 2, 235), (66, 82, 96), lean=(0.02, 0.02), lumps=0.05, phase=0.5),
    Ellipsoid((-20, -44, 222), (64, 36, 58), turn=-0.25, lean=(-0.1, 0), lumps=0.05, phase=1.5),
    Ellipsoid((-82, 14, 280), (44, 56, 66), lumps=0.05, phase=2.0),
)
GALLBLADDER = Ellipsoid((-47, -46, 292), (15, 20, 26), turn=0.4, lean=(0.1, -0.25), lumps=0.05)
SPLEEN_BODY = Ellipsoid((100, 36, 232), (26, 48, 56), turn=0.5, lumps=0.06, phase=1.0)
SPLEEN_HOLLOW = Ellipsoid((68, 14, 232), (34, 44, 62), turn=0.4, lumps=0.03)
STOMACH_OUTER = Ellipsoid(
    (56, -22, 236), (47, 40, 54), turn=0.5, lean=(-0.22, -0.24), lumps=0.11, phase=0.8
)
STOMACH_INNER = Ellipsoid(
    (56, -22, 236), (43, 36, 50), turn=0.5, lean=(-0.22, -0.24), lumps=0.11, phase=0.8
)
STOMACH_LEVEL_Y = -30.0  # the air above, the fluid below: the patient lies on the back
LEFT_KIDNEY = Ellipsoid((64, 46, 304), (28, 24, 56), turn=-0.7, lean=(0.1, 0.03), lumps=0.04)
RIGHT_KIDNEY = Ellipsoid((-64, 48, 322), (28, 24, 55), turn=0.7, lean=(-0.1, 0.03), lumps=0.04)
SINUS = {
    LEFT_KIDNEY: Ellipsoid((54, 40, 304), (15, 8, 30), turn=-0.7, lean=(0.1, 0.03), lumps=0.2),
    RIGHT_KIDNEY: Ellipsoid((-54, 42, 322), (15, 8, 30), turn=0.7, lean=(-0.1, 0.03), lumps=0.2),
}

#: Dome of the diaphragm, right and left: centre x, y, depth of the top, half width, half height.
DOMES = ((-66.0, -6.0, 158.0, 84.0, 90.0), (64.0, -4.0, 172.0, 82.0, 88.0))
DOME_DROP_MM = 108.0  # how much deeper the recess behind it reaches

_Tubes = tuple[Spheres, ...]

TRACHEA = tube([(3, 8, -30, 9), (2, 10, 20, 9), (1, 15, 55, 9.2), (0, 20, 74, 8.8)])
BRONCHI: _Tubes = (
    TRACHEA,
    tube([(0, 20, 72, 7.5), (-16, 22, 84, 7), (-32, 22, 97, 6), (-42, 22, 116, 4.6)]),
    tube([(0, 20, 72, 7), (20, 24, 88, 6.4), (38, 26, 102, 5.4), (47, 28, 122, 4.2)]),
    tube([(-28, 22, 94, 5), (-46, 14, 84, 3.8), (-58, 6, 72, 2.6)]),
    tube([(36, 25, 100, 4.6), (52, 10, 94, 3.6), (60, -4, 84, 2.4)]),
)
#: Oesophagus behind the trachea, then to the stomach.
OESOPHAGUS = tube(
    [(7, 27, -30, 8), (8, 32, 60, 7.5), (9, 34, 140, 8), (20, 26, 200, 8), (32, 12, 224, 9)]
)
#: Blood at systemic enhancement: aorta with its arch and branches, venae cavae, renal vessels.
AORTA = tube(
    [
        *[(-4, -24, 128, 15), (-14, -28, 100, 15), (-12, -22, 62, 14.5), (-2, -10, 42, 14)],
        *[(14, 10, 36, 13.5), (25, 30, 46, 13), (28, 40, 70, 12.5), (27, 42, 130, 12)],
        *[(20, 38, 200, 11.5), (10, 30, 260, 10.5), (6, 28, 320, 9.5), (5, 28, 390, 9)],
    ]
)
VESSELS: _Tubes = (
    AORTA,
    tube([(-30, -24, -20, 8), (-30, -20, 50, 9.5), (-28, -16, 110, 10)]),  # superior vena cava
    tube([(-27, -8, 168, 12), (-24, 12, 215, 13), (-20, 20, 270, 12), (-18, 22, 390, 12)]),
    tube([(34, -26, -20, 6), (24, -32, 12, 6.5), (-8, -34, 30, 7), (-27, -24, 44, 8)]),
    tube([(2, -20, 34, 5.5), (-14, -16, 10, 5.5), (-20, -14, -20, 5)]),  # brachiocephalic
    tube([(8, -8, 30, 4), (12, -8, -20, 3.6)]),  # left carotid
    tube([(16, 6, 30, 4.8), (24, 6, -20, 4.6)]),  # left subclavian
    tube([(10, -46, 126, 14), (16, -38, 104, 13.5), (14, -20, 90, 12.5)]),  # pulmonary trunk
    tube([(14, -20, 92, 11), (-8, -6, 94, 10.5), (-34, 6, 98, 9), (-50, 16, 112, 6)]),
    tube([(16, -14, 88, 11), (30, 8, 84, 10), (46, 20, 92, 8), (54, 26, 112, 6)]),
    tube([(26, 12, 120, 6), (44, 20, 122, 5.4), (58, 24, 124, 4)]),  # pulmonary veins
    tube([(-18, 12, 120, 6), (-40, 18, 122, 5.4), (-54, 22, 126, 4)]),
    tube([(8, 12, 268, 4), (9, -6, 272, 3.6), (20, -8, 276, 3), (50, 4, 270, 2.6)]),  # coeliac
    tube([(7, 16, 282, 4), (6, 0, 298, 3.8), (2, -14, 330, 3.6), (-4, -22, 385, 3)]),  # mesenteric
    tube([(12, 26, 300, 3.4), (34, 34, 304, 3.2), (52, 42, 306, 3)]),  # left renal artery
    tube([(-22, 20, 300, 6), (10, 12, 300, 4.6), (36, 32, 302, 4.6), (54, 42, 304, 4)]),
    tube([(-22, 22, 318, 5), (-40, 36, 320, 4.4), (-54, 44, 322, 4)]),  # right renal vein
)
#: Portal venous system and the liver's veins.
PORTAL_VEINS: _Tubes = (
    tube([(-2, -10, 385, 5), (-6, -8, 310, 5.6), (-16, -6, 278, 6.6), (-38, -8, 248, 6.4)]),
    tube([(-16, -6, 284, 4.6), (20, 4, 282, 4.2), (60, 22, 262, 3.8), (84, 26, 240, 3.4)]),
    tube([(-38, -8, 248, 5.2), (-64, 0, 240, 4.6), (-92, 10, 244, 3.4), (-112, 16, 250, 2.2)]),
    tube([(-60, 0, 241, 3.6), (-82, -22, 232, 2.8), (-100, -40, 226, 2)]),
    tube([(-38, -10, 247, 4.4), (-28, -32, 232, 3.8), (-8, -48, 222, 3), (16, -52, 216, 2)]),
    tube([(-76, 6, 246, 3), (-90, 30, 268, 2.6), (-96, 40, 290, 1.8)]),
    tube([(-24, 8, 186, 5), (-58, 14, 192, 4.4), (-92, 28, 214, 3.2), (-108, 36, 240, 2)]),
    tube([(-24, 4, 184, 4.8), (-50, -18, 190, 4), (-72, -44, 206, 3), (-80, -56, 226, 2)]),
    tube([(-22, 2, 184, 4.4), (-10, -26, 190, 3.8), (4, -48, 202, 2.8), (18, -60, 212, 1.8)]),
)
PANCREAS_PARTS: _Tubes = (
    tube([(-26, -4, 316, 14), (-18, -10, 300, 13), (2, -14, 288, 10), (28, -2, 280, 10)]),
    tube([(26, -2, 281, 10), (54, 14, 268, 10.5), (76, 24, 254, 9)]),
)
ADRENALS: _Tubes = (
    tube([(34, 34, 262, 2.6), (42, 42, 274, 3.2), (46, 52, 282, 2.2)]),
    tube([(-32, 32, 268, 2.4), (-38, 44, 280, 3), (-42, 54, 286, 2.2)]),
)
#: Colon with gas and stool: the bend under the liver and spleen, transverse, down both flanks.
COLON = tube(
    [
        *[(-98, 4, 400, 21), (-96, -2, 350, 21), (-92, -16, 332, 19), (-66, -50, 338, 16)],
        *[(-24, -70, 344, 16), (22, -74, 334, 16), (66, -58, 306, 15), (94, -22, 276, 15)],
        *[(104, 6, 288, 14), (105, 20, 330, 13), (104, 22, 400, 13)],
    ]
)
#: Loops of small bowel.
SMALL_BOWEL: _Tubes = (
    tube([(26, 2, 292, 10), (50, 6, 298, 11), (78, 2, 302, 12), (82, -18, 314, 12)]),
    tube([(82, -18, 314, 12), (62, -30, 312, 12), (44, -36, 322, 12), (66, -44, 334, 11)]),
    tube([(84, 10, 326, 12), (82, -10, 338, 12), (84, -30, 350, 12), (60, -58, 356, 11)]),
    tube([(16, -34, 322, 11), (-6, -44, 334, 11), (-30, -36, 346, 12), (-56, -34, 352, 12)]),
    tube([(-30, -14, 312, 11), (-44, -2, 326, 11), (-36, 4, 344, 11), (-8, -4, 352, 10)]),
    tube([(24, -16, 318, 11), (48, -24, 328, 12), (68, -14, 344, 12), (46, -2, 358, 11)]),
    tube([(46, -2, 358, 11), (24, -22, 366, 12), (0, -44, 372, 12), (-34, -40, 382, 12)]),
    tube([(-62, -14, 372, 12), (-40, -26, 362, 12), (-22, -48, 366, 11), (12, -54, 356, 11)]),
    tube([(36, -46, 350, 11), (58, -40, 366, 12), (76, -16, 380, 12), (60, 2, 392, 12)]),
)


def at(depth: float, values: tuple[float, ...]) -> float:
    """Return the value of one of the outline tables at a depth."""
    return float(np.interp(depth, DEPTHS, values))
