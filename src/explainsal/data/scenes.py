"""Generate scenes with known fixation densities.

Each scene has a few places of interest. Fixations are drawn from a mixture of a Gaussian at every place, a Gaussian at
the image center (the center bias of real observers) and a uniform floor. Scenes contain stimuli of classical
experiments: one item that differs in color, orientation or size from many identical ones, a patch with a different
texture, objects in a landscape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from explainsal.data.painting import blend, finish, grain, oklch, paint, pink_noise

CENTRE_SHARE = 0.18  # share of fixations; the standard deviation of that Gaussian is 0.2 of width and height
FLOOR_SHARE = 0.05  # share of fixations that are uniform over the image
CENTRE_SPREAD = 0.2


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and its places of interest.

    Args:
        kind: A key of `KINDS`.
        image: Shape ``(H, W, 3)``, uint8, RGB.
        places: Shape ``(K, 4)``: x, y and spread (standard deviation of the Gaussian) in pixels, and weight.
    """

    kind: str
    image: np.ndarray
    places: np.ndarray

    def components(self) -> np.ndarray:
        """Return the mixture's Gaussians, shape ``(K + 1, 5)``: x, y, spread in x, spread in y, share; center last."""
        height, width = self.image.shape[:2]
        x, y, spread, weight = self.places.T
        share = (1 - CENTRE_SHARE - FLOOR_SHARE) * weight / weight.sum()
        centre = [width / 2, height / 2, CENTRE_SPREAD * width, CENTRE_SPREAD * height, CENTRE_SHARE]
        return np.vstack([np.stack([x, y, spread, spread, share], 1), centre])

    def density(self) -> np.ndarray:
        """Return the probability of a fixation at each pixel, shape ``(H, W)``, float64, sums to 1."""
        height, width = self.image.shape[:2]
        gaussians = np.zeros((height, width))
        for x, y, sx, sy, share in self.components():
            column = np.exp(-(((np.arange(height) + 0.5 - y) / sy) ** 2) / 2) / (sy * np.sqrt(2 * np.pi))
            row = np.exp(-(((np.arange(width) + 0.5 - x) / sx) ** 2) / 2) / (sx * np.sqrt(2 * np.pi))
            gaussians += share * np.outer(column, row)
        gaussians *= (1 - FLOOR_SHARE) / gaussians.sum()  # fixations outside the image are redrawn
        return gaussians + FLOOR_SHARE / gaussians.size

    def fixations(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw `count` fixations from the density, shape ``(count, 2)``: (x, y) in pixels."""
        height, width = self.image.shape[:2]
        components = self.components()
        floor = rng.random(count) < FLOOR_SHARE
        points = rng.random((count, 2)) * (width, height)
        waiting = np.flatnonzero(~floor)
        while len(waiting):
            chosen = components[rng.choice(len(components), len(waiting), p=components[:, 4] / components[:, 4].sum())]
            points[waiting] = chosen[:, :2] + rng.standard_normal((len(waiting), 2)) * chosen[:, 2:4]
            outside = ((points[waiting] < 0) | (points[waiting] >= (width, height))).any(1)
            waiting = waiting[outside]
        return points


def make_scene(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Draw one scene of height and width `size`; the same generator state gives the same scene.

    Example:
        >>> scene = make_scene(np.random.default_rng(3), (60, 80))
        >>> scene.image.shape, scene.image.dtype, round(float(scene.density().sum()), 6)
        ((60, 80, 3), dtype('uint8'), 1.0)
    """
    kinds = list(KINDS)
    kind = kinds[rng.choice(len(kinds), p=[share for share, _ in KINDS.values()])]
    canvas, places = KINDS[kind][1](rng, size)
    return Scene(kind, finish(rng, canvas), np.asarray(places, dtype=np.float64))


Painted = tuple[np.ndarray, list[tuple[float, float, float, float]]]


def _backdrop(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Paint a low-contrast 1/f texture between two related colors; return it and its lightness."""
    lightness, hue = rng.choice([0.32, 0.5, 0.72, 0.88]) + rng.uniform(-0.05, 0.05), rng.uniform(0, 2 * np.pi)
    chroma = rng.uniform(0.0, 0.05)
    first = oklch(lightness - 0.05, chroma, hue)
    second = oklch(lightness + 0.05, chroma, hue + rng.uniform(-0.6, 0.6))
    coarse = pink_noise(rng, size, rng.uniform(1.0, 1.8))
    return blend(first, second, np.clip(0.5 + 0.25 * coarse, 0, 1)), lightness


def _grid(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Return centers (x, y) of a jittered grid, shape ``(N, 2)``, and their distance, in pixels."""
    height, width = size
    rows = int(rng.integers(3, 6))
    step = height / rows
    columns = max(2, round(width / step))
    x, y = np.meshgrid((np.arange(columns) + 0.5) * width / columns, (np.arange(rows) + 0.5) * step)
    centres = np.stack([x.ravel(), y.ravel()], 1)
    keep = rng.permutation(len(centres))[: max(6, int(len(centres) * rng.uniform(0.75, 1.0)))]
    return centres[keep] + rng.uniform(-0.14, 0.14, (len(keep), 2)) * step, step


def _array(
    rng: np.random.Generator, size: tuple[int, int], *, hue: float = 0.0, turn: float = 0.0, growth: float = 1.0
) -> Painted:
    """Paint many equal items and one or two that differ by `hue` (radians), `turn` (radians) or `growth` (a factor).

    If hue or orientation differs, the other items are muted: as in photographs, cues occur together, and a small
    network can learn them from a few hundred scenes. With equally vivid items it needs far more.
    """
    canvas, backdrop = _backdrop(rng, size)
    centres, step = _grid(rng, size)
    odd = 1 if rng.random() < 0.75 else 2
    shape = "bar" if turn else str(rng.choice(["disc", "square", "ring", "cross", "drop"]))
    sign = 1 if backdrop < 0.55 else -1  # light items on dark backgrounds, dark items on light ones
    vivid = (backdrop + sign * rng.uniform(0.2, 0.28), rng.uniform(0.12, 0.17))  # lightness, chroma
    muted = vivid if growth > 1 else (backdrop + sign * rng.uniform(0.08, 0.13), rng.uniform(0.04, 0.07))
    own_hue, own_turn = rng.uniform(0, 2 * np.pi), rng.uniform(0, np.pi)
    radius = step * (rng.uniform(0.24, 0.28) if growth > 1 else rng.uniform(0.28, 0.36))
    gloss = rng.uniform(0.1, 0.9)
    places = []
    for k, (x, y) in enumerate(centres):
        differs = k < odd
        size_k = radius * rng.uniform(0.94, 1.06) * (growth if differs else 1.0)
        colour = oklch(*(vivid if differs else muted), own_hue + rng.uniform(-0.12, 0.12) + (hue if differs else 0.0))
        angle = own_turn + rng.uniform(-0.07, 0.07) + (turn if differs else 0.0)
        paint(canvas, shape, (x, y), size_k, angle, colour, gloss=gloss)
        weight = (1.0, 0.6)[k] if differs else 0.3 / (len(centres) - odd)
        places.append((x, y, 0.5 * size_k + 0.02 * size[0], weight))
    return canvas, places


def _colour(rng: np.random.Generator, size: tuple[int, int]) -> Painted:
    return _array(rng, size, hue=rng.choice([-1, 1]) * rng.uniform(1.7, np.pi))


def _orientation(rng: np.random.Generator, size: tuple[int, int]) -> Painted:
    return _array(rng, size, turn=rng.choice([-1, 1]) * rng.uniform(0.8, np.pi / 2))


def _size(rng: np.random.Generator, size: tuple[int, int]) -> Painted:
    return _array(rng, size, growth=rng.uniform(1.6, 2.0))


def _texture(rng: np.random.Generator, size: tuple[int, int]) -> Painted:
    """Paint a texture with a patch whose fibers have another direction or whose contrast is higher."""
    height, width = size
    angle, wavelength = rng.uniform(0, np.pi), height / rng.uniform(18, 34)
    field = grain(rng, size, angle, wavelength)
    if rng.random() < 0.7:
        other, share = grain(rng, size, angle + rng.uniform(0.9, np.pi / 2), wavelength), (1.15, 0.85)
    else:
        other, share = field, (1.8, 0.6)
    x, y = rng.uniform(0.15, 0.85) * width, rng.uniform(0.18, 0.82) * height
    radius = height * rng.uniform(0.12, 0.19)
    dx, dy = np.arange(width)[None] + 0.5 - x, np.arange(height)[:, None] + 0.5 - y
    window = 1 / (1 + np.exp((np.hypot(dx, dy) / radius - 1) * 12))
    mixed = window * share[0] * other + (1 - window) * share[1] * field
    hue, lightness = rng.uniform(0, 2 * np.pi), rng.uniform(0.45, 0.65)
    tone = np.clip(0.5 + 0.2 * mixed + 0.05 * pink_noise(rng, size, 1.5), 0, 1)
    canvas = blend(oklch(lightness - 0.22, 0.06, hue), oklch(lightness + 0.22, 0.05, hue + 0.5), tone)
    return canvas, [(x, y, 0.55 * radius + 0.02 * height, 1.0)]


def _objects(rng: np.random.Generator, size: tuple[int, int]) -> Painted:
    """Paint a landscape with a few colored objects; large and vivid ones attract more fixations."""
    height, width = size
    hue = rng.uniform(0, 2 * np.pi)
    canvas, horizon = _landscape(rng, size, hue)
    places = []
    count = int(rng.integers(1, 5))
    columns = (rng.permutation(5)[:count] + 0.5 + rng.uniform(-0.25, 0.25, count)) / 5 * width
    depth = np.sort(rng.uniform(0.05, 0.85, count))
    for x, near in zip(columns, depth, strict=True):
        radius = height * (0.045 + 0.075 * near) * rng.uniform(0.85, 1.2)
        y = horizon + near * (height - horizon) - 0.4 * radius
        vivid = rng.uniform(0.06, 0.2)
        colour = oklch(rng.uniform(0.5, 0.75), vivid, hue + np.pi + rng.uniform(-1.3, 1.3))
        shape = str(rng.choice(["disc", "disc", "square", "ring", "drop"]))
        paint(canvas, shape, (x, y), radius, rng.uniform(-0.4, 0.4), colour, gloss=0.9)
        weight = (vivid / 0.2) * (radius / height / 0.1)
        places.append((float(x), float(y), 0.5 * radius + 0.02 * height, float(weight)))
    return canvas, places


def _landscape(rng: np.random.Generator, size: tuple[int, int], hue: float) -> tuple[np.ndarray, float]:
    """Paint sky with clouds, ridges that darken towards the viewer, and ground; return it with the ground's row."""
    height, width = size
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    clouds = np.clip(0.35 + 0.3 * pink_noise(rng, size, 1.7, (2.5, 1.0)), 0, 1)
    evening = rng.uniform(-0.9, 0.9)
    sky = blend(oklch(0.72, 0.06, hue), oklch(0.9, 0.05, hue + evening), np.repeat(down**0.7, width, 1))
    canvas = sky + 0.5 * (clouds * (1 - 0.7 * down))[..., None] * (0.97 - sky)
    horizon = height * rng.uniform(0.45, 0.58)
    layers = 4
    for layer in range(layers):
        ridge = pink_noise(rng, (4, width), 1.6, (1.0, 1.0))[0] * height * 0.045 * (1 - 0.6 * layer / layers)
        top = horizon - height * 0.16 * (1 - (layer + 0.5) / layers) + ridge * (layer < layers - 1)
        cover = np.clip(np.arange(height)[:, None] + 0.5 - top[None], 0, 1)[..., None]
        colour = oklch(0.74 - 0.09 * layer, 0.035 + 0.008 * layer, hue + 0.3 * evening)
        rough = 1 + 0.05 * pink_noise(rng, size, 1.1, (2.0, 1.0))[..., None]
        if layer == layers - 1:  # the ground darkens towards the viewer
            rough = rough * (1.2 - 0.45 * np.clip((down - horizon / height) * 2, 0, 1))[..., None]
        canvas = canvas + cover * (np.clip(colour * rough, 0, 1) - canvas)
    return canvas.astype(np.float32), horizon


KINDS: dict[str, tuple[float, Callable[[np.random.Generator, tuple[int, int]], Painted]]] = {
    "colour": (0.2, _colour),
    "orientation": (0.15, _orientation),
    "size": (0.18, _size),
    "texture": (0.14, _texture),
    "objects": (0.33, _objects),
}
