"""Picture of a filter bank: its coverage of the frequency plane, its gain against frequency, and its filters."""

from __future__ import annotations

import math
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainsal.explanation.bank import FilterBank
from explainsal.explanation.transfer import transfer_functions
from explainsal.reporting.figures.style import INK, MUTED, PAGE_WIDTH, SERIES, USAGE_CMAP, new_figure

_SIDE = 256  # side of the frequency grid
MARGINS = {"left": 0.07, "right": 0.99, "bottom": 0.29, "top": 0.84, "wspace": 0.25}  # constrained layout is slow


def bank_figure(bank: FilterBank, title: str = "") -> Figure:
    """Draw a bank; call this inside :func:`~explainsal.reporting.figures.style.styled`.

    From left to right: half-height outlines of all filters in the frequency plane over their summed gain (both sides
    of the spectrum, since a filter and its mirror image have the same energy); gain against frequency along the
    filters' own orientation; the even parts of the filters of each wavelength.

    Args:
        title: Title above the picture, e.g. the bank's name.
    """
    # the parts of a response share one transfer function, which is drawn and counted once
    bank = replace(bank, parts=bank.parts[:1], low_pass_parts=bank.low_pass_parts[:1])
    figure = new_figure(PAGE_WIDTH, 2.6)
    figure.set_layout_engine("none")
    plane, profile, patches = figure.subplots(1, 3, width_ratios=[1, 1.25, 1.1], gridspec_kw=MARGINS)
    transfer = transfer_functions(bank, (_SIDE, _SIDE), dtype=torch.float64).numpy()
    if bank.border == "reflect":
        transfer = transfer[:, ::2, ::2]
    fitting = [bank.filters[i] for i in bank.available((_SIDE, _SIDE)).tolist()]
    gabor = np.array([f.kind == "log_gabor" for f in fitting])
    _draw_plane(plane, transfer, gabor)
    _draw_profile(profile, transfer, [f.wavelength for f in fitting], gabor)
    _draw_filters(patches, transfer, [(f.wavelength, f.orientation, f.sigma_on_f) for f in fitting], gabor)
    count = f"{int(gabor.sum())} log-Gabor" + (f" + {int((~gabor).sum())} low-pass" if (~gabor).any() else "")
    figure.suptitle(f"{title}: {count} filters" if title else f"{count} filters", fontsize=8, color=INK)
    return figure


def _draw_plane(axes: Axes, transfer: np.ndarray, gabor: np.ndarray) -> None:
    both = [np.fft.fftshift(one) for one in transfer]
    both = [np.maximum(one, np.roll(one[::-1, ::-1], (1, 1), (0, 1))) for one in both]
    extent = (-0.5, 0.5, 0.5, -0.5)
    axes.imshow(np.sum(both, axis=0), extent=extent, cmap=USAGE_CMAP)
    for one, is_gabor in zip(both, gabor, strict=True):
        if one.max() > 0.5:
            color = "white" if is_gabor else SERIES[4]
            outline = one[::2, ::2]  # half the points; an outline needs no finer resolution
            axes.contour(outline, levels=[0.5], colors=color, linewidths=0.4, extent=extent, origin="upper")
    axes.set(title="Coverage", xlabel="cycles/px along x", ylabel="cycles/px along y")
    axes.set_xticks([-0.5, 0, 0.5])
    axes.set_yticks([-0.5, 0, 0.5])
    axes.grid(visible=False)


def _draw_profile(axes: Axes, transfer: np.ndarray, wavelengths: list[float], gabor: np.ndarray) -> None:
    """Draw the gain of the filters of orientation 0 along +x, where the axis ends at its Nyquist frequency."""
    frequency = np.arange(1, _SIDE // 2 + 1) / _SIDE
    rows = transfer[:, 0, 1 : _SIDE // 2 + 1]
    names = sorted({w for w, is_gabor in zip(wavelengths, gabor, strict=True) if is_gabor})
    shades = mpl.colormaps[USAGE_CMAP](np.linspace(0.25, 0.9, len(names)))  # in order; visible on light and dark
    along_x = rows.max(1) >= 0.99 * transfer.reshape(len(transfer), -1).max(1)
    for row, wavelength, is_gabor, shown in zip(rows, wavelengths, gabor, along_x, strict=True):
        if shown or not is_gabor:
            color = shades[names.index(wavelength)] if is_gabor else MUTED
            axes.plot(frequency, row, color=color, linewidth=0.9, linestyle="-" if is_gabor else ":")
    total = np.sqrt((rows**2).sum(0))
    axes.plot(frequency, total / total.max(), color=INK, linewidth=1.4, label="root of summed squares, scaled to 1")
    for i, wavelength in enumerate(names):
        beyond = wavelength < 2
        label = f"{wavelength:g} px" + (" (beyond Nyquist)" if beyond else "")
        axes.plot([], [], color=shades[i], label=label)
        if not beyond:
            axes.axvline(1 / wavelength, color=shades[i], linewidth=0.4, linestyle="--")
    axes.set(title="Gain along +x", xlabel="cycles/px", xscale="log", xlim=(1 / _SIDE, 0.5), ylim=(0, 1.05))
    axes.xaxis.set_major_formatter("{x:g}")  # powers of ten would be set as formulas, which takes a quarter of a second
    # below the axes, so that no curve crosses it
    axes.legend(fontsize=5.5, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=3, columnspacing=1)


def _draw_filters(axes: Axes, transfer: np.ndarray, keys: list[tuple[float, float, float]], gabor: np.ndarray) -> None:
    """Draw the even parts in the image plane: a column per wavelength, a row per orientation, each at its broadest."""
    chosen: dict[tuple[float, float], tuple[float, int]] = {}
    for g, (wavelength, orientation, ratio) in enumerate(keys):
        if gabor[g]:
            width = abs(math.log(ratio))
            if width > chosen.get((wavelength, orientation), (0.0, 0))[0]:
                chosen[wavelength, orientation] = (width, g)
    wavelengths = sorted({w for w, _ in chosen})
    orientations = sorted({o for _, o in chosen})
    half = int(np.clip(1.5 * max(wavelengths), 6, 40))  # crops the longest waves, which would hide the short ones
    side = 2 * half + 1
    canvas = np.full((len(orientations) * (side + 1), len(wavelengths) * (side + 1)), np.nan)
    for (wavelength, orientation), (_, g) in chosen.items():
        kernel = np.fft.fftshift(np.fft.ifft2(transfer[g]).real)
        middle = _SIDE // 2
        patch = kernel[middle - half : middle + half + 1, middle - half : middle + half + 1]
        i, j = orientations.index(orientation) * (side + 1), wavelengths.index(wavelength) * (side + 1)
        canvas[i : i + side, j : j + side] = patch / max(abs(patch).max(), 1e-12)
    axes.imshow(canvas, cmap="gray", vmin=-1, vmax=1)
    axes.set_xticks([j * (side + 1) + half for j in range(len(wavelengths))], [f"{w:g}" for w in wavelengths])
    degrees = [f"{math.degrees(o):.0f}°" for o in orientations]
    axes.set_yticks([i * (side + 1) + half for i in range(len(orientations))], degrees)
    axes.set(title=f"Even parts, {side} px wide", xlabel="wavelength, px")
    axes.grid(visible=False)
