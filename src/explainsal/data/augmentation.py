"""What training does to an image, its density and its fixation points together."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import cv2
import numpy as np
import torch

from explainsal.data.sample import SaliencySample

GREY = 128  # beyond the border of an image
LUMA = np.array([0.299, 0.587, 0.114])
_TO_YIQ = np.array([LUMA, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)
_CHANGE, _HUE = 0.2, 0.02  # of brightness, contrast and saturation to either side; of the hue, in turns


class TrainingAugmentation:
    """Mirror images, a zoom with shift and rotation, changes of brightness, contrast, saturation and hue.

    Where people look depends on what is where and how large it is, so keep the geometry close to the original (the
    values in use: conf/data/augmentation). Nothing is known beyond the image's border: it is filled with grey, and
    with a density of zero; points that leave the image are dropped.

    All of the geometry is one resampling, of image and density as one picture of four channels, and all of the colour
    one matrix: half the time of a chain of steps (docs/decisions/0022). Randomness comes from torch's
    generator, which a DataLoader seeds anew for every worker and epoch: workers and epochs differ, and a run is
    repeated exactly by its seed and number of workers.

    Args:
        flip: Probability of a left-right flip.
        affine: Probability of zoom, shift and rotation.
        photometric: Probability of a change of brightness, contrast, saturation and hue.
        zoom: Largest magnification; the smallest is 1. Shifts are up to half of what the largest zoom cuts off.
        rotate: Largest rotation to either side, in degrees.

    Raises:
        ValueError: If a probability lies outside [0, 1], `zoom` is below 1 or `rotate` is negative.
    """

    def __init__(self, *, flip: float, affine: float, photometric: float, zoom: float, rotate: float) -> None:
        for name, value in {"flip": flip, "affine": affine, "photometric": photometric}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is a probability, got {value}")
        if zoom < 1 or rotate < 0:
            raise ValueError(f"zoom must be at least 1 and rotate at least 0, got {zoom} and {rotate}")
        self.chances = (flip, affine, photometric)
        self.zoom, self.rotate = zoom, rotate

    def __call__(self, sample: SaliencySample) -> SaliencySample:
        """Augment one sample; what it lacks (points, density) stays lacking, and the sample itself is unchanged."""
        draws = torch.rand(11, dtype=torch.float64).tolist()
        flipped, moved, coloured = (draw < chance for draw, chance in zip(draws[:3], self.chances, strict=True))
        if moved:
            sample = _moved(sample, self._motion(sample.size, flipped, draws[3:7]))
        elif flipped:
            sample = _flipped(sample)
        return replace(sample, image=_coloured(sample.image, draws[7:])) if coloured else sample

    def _motion(self, size: tuple[int, int], flipped: bool, draws: list[float]) -> np.ndarray:
        """Where points (x, y) go, ``(2, 3)``: about the middle of the image, in pixels counted from its edge."""
        scale, angle = 1 + (self.zoom - 1) * draws[0], math.radians(self.rotate * (2 * draws[1] - 1))
        cosine, sine, side = scale * math.cos(angle), scale * math.sin(angle), -1 if flipped else 1
        turn = np.array([[side * cosine, -sine], [side * sine, cosine]])
        middle = np.array([size[1] / 2, size[0] / 2])
        shift = 2 * middle * (self.zoom - 1) / 2 * (2 * np.array(draws[2:]) - 1)
        return np.column_stack([turn, middle + shift - turn @ middle])


class _Scratch(threading.local):
    """Memory of one picture before and after resampling, used again: fresh pages cost three times the resampling."""

    before = after = np.empty((0, 0, 4), np.uint8)

    def of(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Both for pictures of a size, their content left over from the one before."""
        if self.before.shape[:2] != size:
            self.before, self.after = (np.empty((*size, 4), np.uint8) for _ in range(2))
        return self.before, self.after


_SCRATCH = _Scratch()


def _moved(sample: SaliencySample, motion: np.ndarray) -> SaliencySample:
    layers, moved = _SCRATCH.of(sample.size)
    cv2.cvtColor(sample.image, cv2.COLOR_RGB2RGBA, dst=layers)  # four channels take a third of the time of three
    density, points = sample.density, sample.fixations
    joint = density is not None and density.dtype == np.uint8
    if density is not None and joint:
        cv2.insertChannel(density, layers, 3)
    _resampled(layers, motion, (GREY, GREY, GREY, 0), moved)
    if joint:
        density = cv2.extractChannel(moved, 3)
    elif density is not None:
        density = _resampled(density, motion, (0,))
    if points is not None:
        points = _inside(points @ motion[:, :2].T + motion[:, 2], sample.size)
    return replace(sample, image=cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB), fixations=points, density=density)


def _resampled(
    picture: np.ndarray, motion: np.ndarray, border: tuple[int, ...], out: np.ndarray | None = None
) -> np.ndarray:
    """Bilinear; OpenCV counts from the middle of the first pixel."""
    centred = motion.copy()
    centred[:, 2] += (motion[:, :2] @ (0.5, 0.5)) - 0.5
    size = picture.shape[1], picture.shape[0]
    return cv2.warpAffine(picture, centred, size, dst=out, flags=cv2.INTER_LINEAR, borderValue=border)


def _flipped(sample: SaliencySample) -> SaliencySample:
    points, density = sample.fixations, sample.density
    if points is not None:
        points = _inside(np.array([sample.size[1], 0.0]) + points * (-1, 1), sample.size)
    flipped = cv2.flip(density, 1) if density is not None else None
    return replace(sample, image=cv2.flip(sample.image, 1), fixations=points, density=flipped)


def _inside(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return points[((points >= 0) & (points < (size[1], size[0]))).all(axis=1)]


def _coloured(image: np.ndarray, draws: list[float]) -> np.ndarray:
    """Brightness, contrast about the mean grey, saturation and hue, as one matrix on RGB; rounded once."""
    brightness, contrast, saturation = (1 + _CHANGE * (2 * draw - 1) for draw in draws[:3])
    angle = 2 * math.pi * _HUE * (2 * draws[3] - 1)
    cosine, sine = saturation * math.cos(angle), saturation * math.sin(angle)
    colours = _FROM_YIQ @ np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]) @ _TO_YIQ
    grey = float(LUMA @ cv2.mean(image)[:3])
    offset = np.full((3, 1), (1 - contrast) * brightness * grey)
    return cv2.transform(image, np.hstack([contrast * brightness * colours, offset]))
