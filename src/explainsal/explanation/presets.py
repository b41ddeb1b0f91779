"""Named presets, with each value defined once: filter banks, and three kinds of explanation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from explainsal.explanation.bank import FilterBank
from explainsal.explanation.options import BankChanges, Options
from explainsal.functional.kernels.response_kernels import Part

DEFAULT_PRESET = "sparse"
_PAPER_WIDTHS = tuple(0.5 * 1.5**j for j in range(4))
_BLURS = (1.0, 2.0, 4.0, 8.0)  # sigmas in px; below 1 px a blur is almost a copy, which helps the null model as well
_BLUR_PARTS: tuple[Part, ...] = ("even", "half_wave", "half_squared")

BANKS: dict[str, FilterBank] = {
    # Section II-B1: 5 orientations x 4 wavelengths x 4 widths = 80 filters, literally.
    "paper": FilterBank(
        wavelengths=tuple(1.5**i for i in range(4)),
        n_orientations=5,
        sigma_on_f=_PAPER_WIDTHS,
        sigma_theta=_PAPER_WIDTHS,
    ),
    # Wavelengths in octave steps up to the map's size, with two radial widths so that usage shows bandwidth.
    "octave": FilterBank(
        wavelengths=tuple(3.0 * 2**i for i in range(9)),
        n_orientations=5,
        sigma_on_f=(0.55, 0.75),
        sigma_theta=(math.pi / 5 / 1.2, math.pi / 5 / 1.2),
        up_to_map_size=True,
    ),
    # Kovesi's pairing for even coverage: width .65 with wavelengths a factor of 2.1 apart from 3 px (phase congruency).
    "kovesi": FilterBank(
        wavelengths=tuple(3.0 * 2.1**i for i in range(4)),
        n_orientations=6,
        sigma_on_f=(0.65,),
        sigma_theta=(math.pi / 6 / 1.2,),
    ),
}


_PAPER = Options(
    bank=BANKS["paper"],
    scaling="none",
    coefficients="inverse_mae",
    top_k=10,
    scales=(4, 2, 1, 0.5, 0.25),
    block_size=8,
    partial_blocks="keep",
    descriptor="variance",
    signed=False,
    fusion="root_sum_squares",
    rescale="none",
    selection="mae",
    pool_size=10,
    chain="sequential",
    input_maps="luminance",
    image_candidates=False,
    fill_pool=False,
    layers="leaf",
)

PRESETS: dict[str, Options] = {
    # Section II-B exactly as written.
    "paper": _PAPER,
    # The errors and weights of Eq. 2 and 3 with changes that make them work: docs/decisions/0003 and 0029. Candidates
    # are chosen together, and one width of the paper's four is as faithful at a tenth of the products.
    "normalized": replace(
        _PAPER,
        bank=replace(
            BANKS["paper"],
            wavelengths=(3.0, 6.0, 12.0, 24.0),
            sigma_on_f=_PAPER_WIDTHS[:1],
            sigma_theta=_PAPER_WIDTHS[:1],
            low_pass=_BLURS,
            low_pass_parts=_BLUR_PARTS,
        ),
        scaling="standardize",
        coefficients="greedy",
        scales=(1,),
        block_size=4,
        descriptor="mean_deviation",
        signed=True,
        fusion="mean",
        rescale="moments",
        selection="coverage",
        chain="graph",
        output_weight=0.98,
    ),
    # A few signed coefficients per map along the true graph, instead of Eq. 2 to 4. Fewer candidates than in `octave`
    # are as faithful and leave less to chance: docs/decisions/0029.
    "sparse": replace(
        _PAPER,
        bank=replace(
            BANKS["octave"],
            wavelengths=BANKS["octave"].wavelengths[:4],
            n_orientations=4,
            sigma_on_f=(0.65,),  # one width is as faithful as two
            sigma_theta=BANKS["octave"].sigma_theta[:1],
            low_pass=_BLURS,
            low_pass_parts=_BLUR_PARTS,
        ),
        scaling="standardize",
        coefficients="omp",
        selection="coverage",
        pool_size=6,
        chain="graph",
        input_maps="opponent",
        output_weight=0.98,
        noise_floor=0.5,
    ),
}


def named_bank(name: str, **changes: Any) -> FilterBank:
    """Return a bank of :data:`BANKS` with changed values; None keeps the bank's own value.

    Changes are the fields of :class:`~explainsal.explanation.options.BankChanges`. Widths may be single numbers.

    Raises:
        ValueError: If the name or the name of a change is unknown.

    Example:
        >>> len(named_bank("paper")), len(named_bank("paper", n_orientations=6))
        (80, 96)
        >>> named_bank("kovesi", wavelength_factor=2, n_wavelengths=5).wavelengths
        (3.0, 6.0, 12.0, 24.0, 48.0)
    """
    if name not in BANKS:
        raise ValueError(f"unknown filter bank {name!r}; there are {', '.join(BANKS)}")
    return changed_bank(BANKS[name], **changes)


def changed_bank(bank: FilterBank, **changes: Any) -> FilterBank:
    """Return a bank with changed values, as :func:`named_bank` describes."""
    changes = {key: value for key, value in changes.items() if value is not None}
    allowed = {f.name for f in fields(BankChanges)}
    if unknown := sorted(set(changes) - allowed):
        raise ValueError(f"a filter bank has no {', '.join(unknown)}; it has {', '.join(sorted(allowed))}")
    for width in ("sigma_on_f", "sigma_theta"):
        if isinstance(changes.get(width), int | float):
            changes[width] = (changes[width],)
    series = {key: changes.pop(key) for key in _SERIES if key in changes}
    if series:
        if "wavelengths" in changes:
            raise ValueError(f"wavelengths are given twice: omit wavelengths or {', '.join(series)}")
        changes["wavelengths"] = _series(bank.wavelengths, **series)
    return replace(bank, **changes)


_SERIES = ("min_wavelength", "wavelength_factor", "n_wavelengths")


def _series(
    own: tuple[float, ...],
    *,
    min_wavelength: float | None = None,
    wavelength_factor: float | None = None,
    n_wavelengths: int | None = None,
) -> tuple[float, ...]:
    """Return a geometric series of wavelengths; missing values are taken from `own`."""
    first = own[0] if min_wavelength is None else min_wavelength
    count = len(own) if n_wavelengths is None else n_wavelengths
    if wavelength_factor is None:
        wavelength_factor = own[1] / own[0] if len(own) > 1 else 1.0
    if count < 1 or (count > 1 and wavelength_factor <= 1):
        raise ValueError(
            f"n_wavelengths={count} and wavelength_factor={wavelength_factor:g}: give at least 1 wavelength, and a "
            "factor above 1 for several"
        )
    return tuple(first * wavelength_factor**i for i in range(count))


def resolve_options(preset: str, **changes: Any) -> Options:
    """Return the options of a preset with changed values; None keeps the preset's own value.

    `bank` may be a :class:`FilterBank`, the name of one, or a mapping of changes with an optional ``name``; without a
    name the changes apply to the preset's bank. `low_pass` sets the low-pass filters of the selected bank.

    Raises:
        ValueError: If the preset, an option or a value is unknown.

    Example:
        >>> resolve_options("normalized", top_k=5, pool_size=None).top_k
        5
        >>> resolve_options("sparse", bank={"n_orientations": 4}).bank.n_orientations
        4
    """
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}; there are {', '.join(PRESETS)}")
    options = PRESETS[preset]
    changes = {key: value for key, value in changes.items() if value is not None}
    low_pass = changes.pop("low_pass", None)
    allowed = {f.name for f in fields(Options)}
    if unknown := sorted(set(changes) - allowed):
        raise ValueError(
            f"an Explainer has no option {', '.join(unknown)}; it has {', '.join(sorted(allowed | {'low_pass'}))}"
        )
    if "bank" in changes:
        changes["bank"] = as_bank(changes["bank"], options.bank)
    for name in ("scales", "layers"):
        if name in changes and not isinstance(changes[name], str):
            if not isinstance(changes[name], Iterable):
                raise ValueError(f"{name} must be a list, got {changes[name]!r}")
            changes[name] = tuple(changes[name])
    options = replace(options, **changes)
    return options if low_pass is None else replace(options, bank=replace(options.bank, low_pass=tuple(low_pass)))


def as_bank(value: FilterBank | str | Mapping[str, Any], default: FilterBank) -> FilterBank:
    """Return a bank given as such, by its name, or as changed values of a named bank or of the default."""
    if isinstance(value, FilterBank):
        return value
    if isinstance(value, str):
        return named_bank(value)
    changes = {str(key): setting for key, setting in value.items()}
    name = changes.pop("name", None)
    return named_bank(name, **changes) if name else changed_bank(default, **changes)
