"""The style in which each class is rendered: ranges of sizes, shapes, textures and colours."""

from __future__ import annotations

import attrs

Range = tuple[float, float]
RGB = tuple[float, float, float]

BACKGROUND: RGB = (250, 230, 208)
RED_CELL: RGB = (213, 178, 176)


@attrs.frozen
class CellStyle:
    """Ranges from which a cell of a class is drawn. Lengths within the cell are fractions of its radius; colours are
    RGB."""

    radius: Range
    """Radius of the cell, as a fraction of the side of the image."""
    rough: Range
    """Irregularity of the outline."""
    cytoplasm: tuple[RGB, RGB]
    rim: Range
    """How much darker and bluer the cytoplasm is towards its edge."""
    nucleus: RGB
    lobes: Range
    lobe: Range
    """Radius of a lobe; 0: no nucleus."""
    arc: Range
    """Distance of the lobes from the centre of the nucleus."""
    turn: Range
    """Angle between neighbouring lobes, in radians."""
    neck: Range
    """Width of the bridge between lobes, relative to the lobe: thin in a segmented nucleus, near 1 if kidney-shaped."""
    chromatin: Range
    """Contrast of the texture of the nucleus."""
    granules: Range
    """Number of granules in the bounding square of the cell."""
    grain: Range
    """Radius of a granule, as a fraction of the side of the image."""
    granule: RGB
    cover: Range
    """Opacity of granules over the nucleus: 1 hides it."""
    vacuoles: Range


STYLES = {
    "basophil": CellStyle((0.25, 0.36), (0.01, 0.05), ((202, 168, 208), (172, 128, 192)), (0, 0.2), (106, 58, 152),
                     (2, 3), (0.40, 0.52), (0.25, 0.45), (1.2, 2.4), (0.4, 0.9), (0.2, 0.5),
                     (250, 480), (0.009, 0.015), (62, 22, 108), (0.6, 1), (0, 2)),
    "eosinophil": CellStyle((0.27, 0.37), (0.01, 0.05), ((224, 164, 164), (204, 150, 172)), (0, 0.2), (80, 36, 132),
                       (2, 2.7), (0.34, 0.46), (0.40, 0.56), (1.3, 2.3), (0.15, 0.5), (0.4, 0.8),
                       (260, 520), (0.009, 0.014), (208, 104, 104), (0, 0.08), (0, 1)),
    "erythroblast": CellStyle((0.17, 0.29), (0.005, 0.035), ((208, 178, 192), (156, 148, 190)), (0, 0.3), (66, 26, 116),
                         (1, 1), (0.44, 0.66), (0, 0.2), (1, 2), (0.5, 1), (0.1, 0.5),
                         (0, 6), (0.006, 0.010), (110, 80, 150), (0, 0.1), (0, 0.6)),
    "immature_granulocyte": CellStyle((0.30, 0.41), (0.01, 0.05), ((206, 176, 206), (162, 146, 204)), (0, 0.3),
                                 (102, 52, 148), (1, 2.4), (0.50, 0.64), (0.15, 0.36), (0.7, 1.4), (0.8, 1), (0.3, 0.7),
                                 (120, 380), (0.006, 0.010), (134, 60, 156), (0.2, 0.6), (0, 1)),
    "lymphocyte": CellStyle((0.19, 0.29), (0.01, 0.05), ((176, 166, 214), (122, 122, 194)), (0.1, 0.7), (82, 34, 128),
                       (1, 1.4), (0.76, 0.95), (0, 0.1), (0.3, 0.6), (0.9, 1), (0.25, 0.55),
                       (0, 8), (0.005, 0.009), (130, 70, 160), (0, 0.2), (0, 0.6)),
    "monocyte": CellStyle((0.31, 0.43), (0.03, 0.11), ((188, 178, 204), (146, 148, 190)), (0, 0.3), (104, 54, 150),
                     (2, 3.4), (0.38, 0.50), (0.34, 0.50), (0.8, 1.35), (0.75, 1), (0.5, 0.9),
                     (0, 60), (0.005, 0.007), (150, 110, 180), (0, 0.3), (0, 16)),
    "neutrophil": CellStyle((0.26, 0.37), (0.005, 0.04), ((240, 208, 202), (216, 184, 204)), (0, 0.2), (74, 30, 124),
                       (2.6, 5.4), (0.23, 0.31), (0.40, 0.54), (0.9, 1.25), (0.15, 0.5), (0.3, 0.7),
                       (80, 260), (0.005, 0.008), (206, 146, 180), (0, 0.1), (0, 1)),
    "platelet": CellStyle((0.07, 0.135), (0.015, 0.06), ((204, 170, 204), (166, 130, 188)), (-0.4, 0.2), (120, 70, 156),
                     (1, 1), (0, 0), (0, 0), (1, 1), (1, 1), (0.2, 0.5),
                     (60, 220), (0.005, 0.009), (112, 58, 144), (1, 1), (0, 0)),
}  # fmt: skip
"""Style by class. Colours and sizes follow the smears of Acevedo et al., Data in Brief 30 (2020) 105474."""

LOOK_ALIKES = {
    "basophil": "immature_granulocyte",
    "eosinophil": "neutrophil",
    "erythroblast": "lymphocyte",
    "immature_granulocyte": "monocyte",
    "lymphocyte": "erythroblast",
    "monocyte": "immature_granulocyte",
    "neutrophil": "eosinophil",
    "platelet": "lymphocyte",
}
"""By class: the class it is most easily confused with."""
