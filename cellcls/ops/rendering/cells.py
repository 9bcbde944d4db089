"""Rendered blood cells: images of the eight classes with known masks, for demos, teaching and tests without a download.

An image imitates a May-Gruenwald-Giemsa smear: red cells on a pale background, one white cell or platelet in the
middle, then the stain and illumination of that slide. ``styles`` describes each class. All lengths are fractions of the
side of the image, and only the camera noise depends on the size: a seed gives the same cell at any size. Array maths is
limited to + - * / and square roots, which give the same result on all machines.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs
import numpy as np

from cellcls.ops.classes import CLASSES
from cellcls.ops.rendering.styles import BACKGROUND, LOOK_ALIKES, RED_CELL, RGB, STYLES, CellStyle, Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.float32]

SMALLEST = 8
"""Minimum side of an image, in pixels."""
VERSION = 1
"""Version of the renderer: incremented when the image of a seed changes, so that outdated caches are not used."""


class Rendered(NamedTuple):
    """An image and the mask of its cell."""

    image: NDArray[np.uint8]
    """(H, W, 3), RGB, 0..255."""
    mask: NDArray[np.bool_]
    """(H, W), True on the white cell or platelet."""


_AMBIGUOUS = 0.3
"""Share of cells that are interpolated between their class and its look-alike, as on real slides."""


def render(label: int, seed: int, *, size: int = 96) -> Rendered:
    """Render a cell of class ``CLASSES[label]`` at ``size`` x ``size`` pixels: a pure function of its arguments.

    ``seed`` is a nonnegative integer, ``size`` at least ``SMALLEST``. Raises ``ValueError`` for other values.
    """
    if size < SMALLEST or seed < 0 or not 0 <= label < len(CLASSES):
        raise ValueError(f"label must be 0..7, seed >= 0 and size >= {SMALLEST}, not {label}, {seed} and {size}")
    rng = np.random.default_rng([seed, label])
    style = _drawn_style(CLASSES[label], rng)
    canvas = _Canvas(size, rng)
    zoom = rng.uniform(0.88, 1.12)
    radius = zoom * _draw(rng, style.radius)
    _paint_red_cells(canvas, radius, zoom)
    mask = _paint_cell(canvas, style, radius)
    return Rendered(_photograph(canvas), mask)


def render_target(size: int = 96) -> NDArray[np.uint8]:
    """Render an image that is not a cell: a focus target of rings and a chequered frame. (H, W, 3), 0..255."""
    axis = (np.arange(size) + 0.5) / size - 0.5
    x, y = axis[None, :], axis[:, None]
    rings = np.floor((x * x + y * y) * 90) % 2
    squares = (np.floor(x * 12) + np.floor(y * 12)) % 2
    bright = np.where(np.maximum(abs(x), abs(y)) > 0.36, squares, rings)
    return np.repeat(np.uint8(40) + np.uint8(175) * bright.astype(np.uint8)[..., None], 3, axis=2)


class _Canvas:
    """The image being painted: colours (3, H, W) in 0..1, coordinates in -0.5..0.5, and the random generator."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size = size
        self.rng = rng
        axis = ((np.arange(size) + 0.5) / size - 0.5).astype(np.float32)
        self.axis = axis
        self.x, self.y = axis[None, :], axis[:, None]
        self.soft = np.float32(1 / size + rng.uniform(0.002, 0.012))  # width of an edge: the pixel's and the focus'
        self.pixels = np.empty((3, size, size), np.float32)
        self.pixels[:] = _rgb(BACKGROUND)

    def noise(self, cells: int) -> Field:
        """Return smooth noise (H, W) of about unit standard deviation with ``cells`` bumps per side."""
        lattice = self.rng.standard_normal((cells + 3, cells + 3), dtype=np.float32)
        basis = _spline_basis(self.size, cells)
        return _floats(basis @ lattice @ basis.T * 2)

    def inside(self, distance: Field) -> Field:
        """Convert a signed distance to coverage in 0..1 with a soft edge."""
        return _smooth(np.float32(0.5) - distance / self.soft)

    def paint(self, colour: Field | RGB, alpha: Field) -> None:
        """Blend a colour (3, H, W), or a single RGB, over the image with opacity ``alpha`` (H, W)."""
        shade = _rgb(colour) if isinstance(colour, tuple) else colour
        self.pixels += (shade - self.pixels) * alpha

    def spots(self, count: int, reach: float, centre: tuple[float, float], radius: Range) -> Field:
        """Return the coverage (H, W) of ``count`` round spots in the square of half side ``reach``. Their kernels are
        separable, so that the sum over all spots is a matrix product."""
        if count == 0:
            return np.zeros((self.size, self.size), np.float32)
        place = self.rng.uniform(-reach, reach, (2, count)).astype(np.float32)
        wide = np.maximum(self.rng.uniform(*radius, count), 0.7 / self.size)[:, None].astype(np.float32) * 2
        strength = self.rng.uniform(0.6, 1.2, count).astype(np.float32)[:, None]
        along_x, along_y = (
            np.maximum(1 - ((self.axis - np.float32(middle) - offset[:, None]) / wide) ** 2, 0)
            for middle, offset in zip(centre, place, strict=True)
        )
        return _smooth(((along_y**3).T @ (along_x**3 * strength) - np.float32(0.25)) * np.float32(2.5))


def _paint_red_cells(canvas: _Canvas, radius: float, zoom: float) -> None:
    """Paint red cells around the white cell: pale in the middle, cut off at the border, some touching."""
    rng = canvas.rng
    count = int(rng.integers(2, 13))
    own = (zoom * rng.uniform(0.15, 0.21) * rng.uniform(0.88, 1.12, count)).astype(np.float32)
    pallor, density = rng.uniform(0.1, 0.9), rng.uniform(0.6, 1.0)
    angle = rng.uniform(0, 2 * math.pi) + (np.arange(count) + rng.uniform(-0.4, 0.4, count)) * (2 * math.pi / count)
    away = np.maximum(rng.uniform(0.3, 0.72, count), radius + own * rng.uniform(0.9, 1.2, count))
    total = np.zeros((canvas.size, canvas.size), np.float32)
    for i in range(count):
        centre = (away[i] * math.cos(angle[i]), away[i] * math.sin(angle[i]))
        distance = _ellipse(canvas, centre, float(own[i]), rng.uniform(0.8, 1), rng.uniform(0, math.pi))
        middle = _smooth(-distance / own[i] * np.float32(2) - np.float32(0.7))
        edge = _smooth(distance / (3 * canvas.soft) + 1)  # the thick outline that refracts
        thick = canvas.inside(distance) * (1 - np.float32(pallor) * middle + np.float32(0.35) * edge)
        total = np.maximum(total, thick) + np.float32(0.3) * np.minimum(total, thick)
    canvas.paint(RED_CELL, total * np.float32(density))


def _paint_cell(canvas: _Canvas, style: CellStyle, radius: float) -> NDArray[np.bool_]:
    """Paint the white cell or platelet and return its mask."""
    rng = canvas.rng
    centre = (rng.uniform(-0.05, 0.05), rng.uniform(-0.05, 0.05))
    outline = _ellipse(canvas, centre, radius, rng.uniform(0.84, 1), rng.uniform(0, math.pi))
    outline = outline + np.float32(_draw(rng, style.rough) * 0.5) * canvas.noise(6)
    cell = canvas.inside(outline)
    texture = canvas.noise(20) * np.float32(0.02)
    rim = _smooth(outline / np.float32(radius * 0.5) + 1) * np.float32(_draw(rng, style.rim))
    pale, deep = (_rgb(colour) for colour in style.cytoplasm)
    depth = np.float32(rng.uniform(0, 1)) + rim + canvas.noise(4) * np.float32(0.1)
    canvas.paint(pale + (deep - pale) * depth + texture, cell * np.float32(0.93))
    nucleus = cell * 0
    if style.lobe != (0, 0):
        nucleus = _nucleus(canvas, style, centre, radius) * canvas.inside(outline + np.float32(0.012))
        _paint_chromatin(canvas, style, nucleus)
    free = cell * (1 - nucleus)
    holes = canvas.spots(round(_draw(rng, style.vacuoles)), radius * 0.8, centre, (0.012, 0.03))
    canvas.paint((244, 228, 222), holes * free * np.float32(0.85))
    grains = canvas.spots(round(_draw(rng, style.granules)), radius, centre, style.grain)
    canvas.paint(style.granule, grains * (free + nucleus * np.float32(_draw(rng, style.cover))) * np.float32(0.85))
    return np.asarray(outline < 0)


def _paint_chromatin(canvas: _Canvas, style: CellStyle, nucleus: Field) -> None:
    """Paint the nucleus: dark, with lighter flecks where the chromatin is loose."""
    chromatin = canvas.noise(40) + canvas.noise(16) * np.float32(0.5)
    light = np.clip(chromatin * np.float32(_draw(canvas.rng, style.chromatin) * 0.4) + np.float32(0.05), -0.12, 0.6)
    shade = _rgb(style.nucleus)
    canvas.paint(shade + (_rgb((196, 140, 196)) - shade) * light, nucleus * np.float32(0.97))


def _nucleus(canvas: _Canvas, style: CellStyle, centre: tuple[float, float], radius: float) -> Field:
    """Return the coverage (H, W) of a nucleus: lobes along an arc, connected by necks."""
    rng = canvas.rng
    count = max(1, round(_draw(rng, style.lobes)))
    lobe, arc, turn, neck = (_draw(rng, span) for span in (style.lobe, style.arc, style.turn, style.neck))
    start = rng.uniform(0, 2 * math.pi)
    shrink = 1 - 0.07 * max(0, count - 2)
    places, total = [], None
    for i in range(count):
        angle = start + i * turn + rng.uniform(-0.15, 0.15)
        far = arc * radius * rng.uniform(0.85, 1.1)
        places.append((centre[0] + far * math.cos(angle), centre[1] + far * math.sin(angle)))
        own = lobe * radius * shrink * rng.uniform(0.88, 1.1)
        distance = _ellipse(canvas, places[-1], own, rng.uniform(0.78, 1), rng.uniform(0, math.pi))
        total = distance if total is None else _melt(total, distance, 0.05 * radius + 0.25 * radius * neck * neck)
    assert total is not None
    for start_point, end_point in pairwise(places):
        total = _melt(total, _bar(canvas, start_point, end_point, lobe * radius * neck * 0.8), 0.1 * radius)
    return canvas.inside(total + canvas.noise(9) * np.float32(0.022 * radius))


def _photograph(canvas: _Canvas) -> NDArray[np.uint8]:
    """Apply stain, lamp and camera, which vary from image to image but not by class."""
    rng = canvas.rng
    matrix = _stain_matrix(rng).astype(np.float32)
    flat = canvas.pixels.reshape(3, -1)
    pixels = (matrix[:, :3] @ flat + matrix[:, 3:]).reshape(canvas.pixels.shape)
    slope = rng.uniform(-0.1, 0.1, 2).astype(np.float32)
    lamp = (
        1 + slope[0] * canvas.x + slope[1] * canvas.y - np.float32(rng.uniform(0, 0.16)) * (canvas.x**2 + canvas.y**2)
    )
    pixels = pixels * lamp + canvas.noise(5) * np.float32(0.006)
    bend = np.float32(rng.uniform(-0.2, 0.3))
    pixels = pixels + bend * pixels * (1 - pixels)  # gamma without a power, which machines round differently
    pixels += rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(rng.uniform(0.004, 0.014))
    return np.ascontiguousarray((np.clip(pixels, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8).transpose(1, 2, 0))


def _stain_matrix(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a 3x4 colour matrix: hue rotated and chroma scaled in YIQ, strength of the stain, colour of the lamp."""
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    hue, chroma = rng.uniform(-0.22, 0.22), rng.uniform(0.8, 1.25)
    turn = np.eye(3)
    turn[1:, 1:] = chroma * np.array([[math.cos(hue), -math.sin(hue)], [math.sin(hue), math.cos(hue)]])
    strength = rng.uniform(0.8, 1.12)  # of everything that is darker than the ground
    lamp = np.diag(rng.uniform(0.95, 1.04) * rng.uniform(0.975, 1.025, 3))
    ground = _rgb(BACKGROUND).reshape(3, 1).astype(np.float64)
    colour = lamp @ (np.linalg.inv(to_yiq) @ turn @ to_yiq)
    return np.hstack([strength * colour, (1 - strength) * (colour @ ground)])


def _drawn_style(name: str, rng: np.random.Generator) -> CellStyle:
    """Return the style of a class, for some cells interpolated up to halfway towards its look-alike."""
    own, other = STYLES[name], STYLES[LOOK_ALIKES[name]]
    share = rng.uniform(0, 0.5) if rng.uniform() < _AMBIGUOUS else 0.0
    if not share or own.lobe == (0, 0):  # a nucleus cannot be interpolated with none
        return own
    return CellStyle(*(_mixed(*pair, share) for pair in zip(attrs.astuple(own), attrs.astuple(other), strict=True)))


def _mixed(start: Any, end: Any, share: float) -> Any:
    """Interpolate numbers, or nested tuples of numbers, from ``start`` to ``end``."""
    if isinstance(start, tuple):
        return tuple(_mixed(*pair, share) for pair in zip(start, end, strict=True))
    return start + (end - start) * share


def _draw(rng: np.random.Generator, span: Range) -> float:
    return float(rng.uniform(*span))


def _rgb(colour: RGB) -> Field:
    return np.array(colour, np.float32).reshape(3, 1, 1) / np.float32(255)


def _floats(values: NDArray[Any]) -> Field:
    return values.astype(np.float32, copy=False)


def _smooth(value: Field) -> Field:
    """Smoothstep: map 0..1 to 0..1 with zero slope at the ends."""
    value = np.clip(value, 0, 1)
    return value * value * (3 - 2 * value)


def _ellipse(canvas: _Canvas, centre: tuple[float, float], radius: float, aspect: float, angle: float) -> Field:
    """Return the approximate signed distance (H, W) from an ellipse with the area of a circle; negative inside."""
    long = radius / math.sqrt(aspect)
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    x, y = canvas.x - np.float32(centre[0]), canvas.y - np.float32(centre[1])
    u, v = (cos * x + sin * y) / np.float32(long), (cos * y - sin * x) / np.float32(long * aspect)
    return (np.sqrt(u * u + v * v) - 1) * np.float32(radius)


def _bar(canvas: _Canvas, start: tuple[float, float], end: tuple[float, float], width: float) -> Field:
    """Return the signed distance (H, W) from a line segment, thickened by ``width`` on each side."""
    dx, dy = np.float32(end[0] - start[0]), np.float32(end[1] - start[1])
    x, y = canvas.x - np.float32(start[0]), canvas.y - np.float32(start[1])
    along = np.clip((x * dx + y * dy) / (dx * dx + dy * dy), 0, 1)
    return np.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2) - np.float32(width)


def _melt(a: Field, b: Field, width: float) -> Field:
    """Return the union of two distance fields, with a smooth transition of ``width`` (polynomial smooth minimum)."""
    near: Field = np.maximum(1 - abs(a - b) / np.float32(width), 0)
    return _floats(np.minimum(a, b) - near * near * np.float32(width / 4))


@lru_cache(maxsize=32)
def _spline_basis(size: int, cells: int) -> Field:
    """Return the cubic B-spline basis (size, cells + 3) that interpolates a lattice at ``size`` pixels."""
    place = (np.arange(size) + 0.5) / size * cells
    basis = np.zeros((size, cells + 3))
    index = place.astype(int)
    t = place - index
    for k, weight in enumerate(((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)):
        basis[np.arange(size), index + k] = weight / 6
    return basis.astype(np.float32)
