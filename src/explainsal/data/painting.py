"""Paint the colors, textures and shaded shapes of the synthetic scenes.

A canvas is ``(H, W, 3)``, float32, sRGB in [0, 1]. Shapes are signed distances in pixels, negative inside.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

SHADOW = (0.22, 0.3)  # offset of a shadow to the right and down, in radii; light comes from the upper left


def oklch(lightness: float, chroma: float, hue: float) -> np.ndarray:
    """Return a color of given lightness (0 to 1), chroma (0 is gray, up to about 0.3) and hue (radians).

    The space is OKLCH of B. Ottosson (2020), in which equal steps look equal. Returns sRGB, shape ``(3,)``, float32,
    clipped to [0, 1].
    """
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    to_cones = np.array([[0.3963377774, 0.2158037573], [-0.1055613458, -0.0638541728], [-0.0894841775, -1.2914855480]])
    cones = (lightness + to_cones @ [a, b]) ** 3
    to_linear = np.array([
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ])  # fmt: skip
    linear = np.clip(to_linear @ cones, 0, 1)
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return gamma.astype(np.float32)


def pink_noise(
    rng: np.random.Generator, size: tuple[int, int], exponent: float, stretch: tuple[float, float] = (1.0, 1.0)
) -> np.ndarray:
    """Sample noise with amplitude ``f ** -exponent``, shape `size`, mean 0, standard deviation 1, periodic.

    Args:
        rng: Source of randomness.
        size: Height and width in pixels.
        exponent: 0 for white noise, 1 for the 1/f spectrum of natural images, 2 for clouds.
        stretch: Elongation of structures, vertically and horizontally.
    """
    fy = np.fft.fftfreq(size[0])[:, None] * stretch[0]
    fx = np.fft.rfftfreq(size[1])[None] * stretch[1]
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(size)) * frequency**-exponent, s=size)
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def grain(rng: np.random.Generator, size: tuple[int, int], angle: float, wavelength: float) -> np.ndarray:
    """Sample a texture of one orientation, like brushed wood: shape `size`, mean 0, standard deviation 1.

    Args:
        rng: Source of randomness.
        size: Height and width in pixels.
        angle: Direction of the fibers in radians, 0 to the right.
        wavelength: Distance between fibers in pixels.
    """
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None]
    across, along = fy * np.cos(angle) - fx * np.sin(angle), fx * np.cos(angle) + fy * np.sin(angle)
    band = np.exp(-(((np.abs(across) - 1 / wavelength) * wavelength / 0.5) ** 2) - (along * wavelength / 0.25) ** 2)
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(size)) * band, s=size)
    return (noise / noise.std()).astype(np.float32)


def blend(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Mix two colors by a map ``(H, W)`` in [0, 1]; shape ``(H, W, 3)``."""
    return first + share[..., None] * (second - first)


def _disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.hypot(u, v) - 1


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _box(u, v, 0.85, 0.85, 0.2)


def _bar(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _box(u, v, 1.0, 0.34, 0.3)


def _ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.abs(np.hypot(u, v) - 0.74) - 0.26


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.minimum(_box(u, v, 1.0, 0.3, 0.1), _box(u, v, 0.3, 1.0, 0.1))


def _drop(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the distance to a disc with a tip along +u."""
    tip = np.clip((u + 0.3) / 1.3, 0, 1)
    return np.hypot(u + 0.3 - 1.3 * tip, v) - 0.65 * (1 - tip)


def _box(u: np.ndarray, v: np.ndarray, half_u: float, half_v: float, corner: float) -> np.ndarray:
    du, dv = np.abs(u) - half_u + corner, np.abs(v) - half_v + corner
    return np.hypot(np.maximum(du, 0), np.maximum(dv, 0)) + np.minimum(np.maximum(du, dv), 0) - corner


SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": _disc,
    "square": _square,
    "bar": _bar,
    "ring": _ring,
    "cross": _cross,
    "drop": _drop,
}


def paint(
    canvas: np.ndarray,
    shape: str,
    centre: tuple[float, float],
    radius: float,
    angle: float,
    colour: np.ndarray,
    *,
    gloss: float = 0.5,
) -> None:
    """Paint one shaded shape with its shadow onto the canvas.

    Args:
        canvas: Changed in place.
        shape: A key of `SHAPES`.
        centre: (x, y) in pixels.
        radius: Half the extent of the shape in pixels.
        angle: Rotation in radians, from +x towards +y.
        colour: sRGB, shape ``(3,)``.
        gloss: 0 for flat, 1 for round and shiny.
    """
    height, width = canvas.shape[:2]
    reach = radius * 1.7 + 2
    x0, x1 = max(0, int(centre[0] - reach)), min(width, int(centre[0] + reach) + 1)
    y0, y1 = max(0, int(centre[1] - reach)), min(height, int(centre[1] + reach) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    dx = ((np.arange(x0, x1) + 0.5 - centre[0]) / radius).astype(np.float32)[None]
    dy = ((np.arange(y0, y1) + 0.5 - centre[1]) / radius).astype(np.float32)[:, None]

    def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return SHAPES[shape](x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)) * radius

    area = canvas[y0:y1, x0:x1]
    softness = 0.35 * radius + 1
    area *= 1 - 0.45 * np.clip(0.5 - distance(dx - SHADOW[0], dy - SHADOW[1]) / softness, 0, 1)[..., None]
    light = 1 - gloss * 0.35 * (dx + dy + 0.2)
    shine = gloss * np.exp(-((dx + 0.35) ** 2 + (dy + 0.4) ** 2) / 0.06) * 0.55
    cover = np.clip(0.5 - distance(dx, dy), 0, 1)[..., None]
    area += cover * (np.clip(colour * light[..., None] + shine[..., None], 0, 1) - area)


def finish(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """Add slight lens blur, vignette and sensor noise; return RGB, uint8."""
    height, width = canvas.shape[:2]
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    canvas = cv2.GaussianBlur(canvas, (0, 0), 0.5) * (1 - 0.12 * (x**2 + y**2))[..., None]
    noisy = canvas + rng.standard_normal((height, width, 1)) * 0.012
    return (np.clip(noisy, 0, 1) * 255 + 0.5).astype(np.uint8)
