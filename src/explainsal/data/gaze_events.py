"""Detect fixations in raw gaze by the rule of MIT1003's authors (``checkFixations`` in their code).

A saccade starts when the gaze accelerates and ends when it has braked; samples between saccades form a fixation. This
module reimplements the behavior of that code; docs/decisions/0018 describes the rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RATE = 240.0  # samples per second
THRESHOLD = 204.0  # change of velocity between samples, px/s: 6 degrees of 34 px
WINDOW = 4  # samples in the moving mean, and steps in a velocity
SHORTEST_SACCADE = 3  # consecutive accelerating samples
SHORTEST_FIXATION = 12  # samples, 50 ms; shorter ones are merged with the surrounding saccades
LONGEST_SEARCH = 25  # samples after the acceleration within which the gaze must brake


@dataclass(frozen=True, eq=False)
class GazeFixations:
    """Fixations of one trial, in order; the first is the gaze position at image onset.

    Args:
        points: Shape ``(K, 2)``: median x and median y of the samples, in the units of the gaze.
        start: Shape ``(K,)``: seconds from the start of the trial; a sample marks the end of its 1/240 s.
        duration: Shape ``(K,)``: seconds.
    """

    points: np.ndarray
    start: np.ndarray
    duration: np.ndarray


def find_fixations(gaze: np.ndarray) -> GazeFixations:
    """Divide raw gaze into fixations.

    Args:
        gaze: Shape ``(T, 2)``: x and y in pixels at 240 samples per second. Medians ignore NaN but, as in the original,
            include the negative coordinates of blinks.

    Raises:
        ValueError: If `gaze` is empty.

    Example:
        >>> still = np.repeat([[100.0, 50.0], [300.0, 80.0]], 60, axis=0)
        >>> found = find_fixations(still)
        >>> found.points.tolist(), found.duration.round(3).tolist()
        ([[100.0, 50.0], [300.0, 80.0]], [0.229, 0.233])
    """
    gaze = np.asarray(gaze, np.float64).reshape(-1, 2)
    if not len(gaze):
        raise ValueError("a trial without a gaze sample has no fixations")
    saccades = _saccades(acceleration(gaze))
    first = [0, *(end + 1 for _, end in saccades)]
    last = [*(start - 1 for start, _ in saccades), len(gaze) - 1]
    spans = [(a, b) for a, b in zip(first, last, strict=True) if a <= b]
    return GazeFixations(
        points=np.array([[_median(gaze[a : b + 1, axis]) for axis in (0, 1)] for a, b in spans]).reshape(-1, 2),
        start=np.array([(a + 1) / RATE for a, _ in spans]),
        duration=np.array([(b - a + 1) / RATE for a, b in spans]),
    )


def acceleration(gaze: np.ndarray) -> np.ndarray:
    """Return the change of the smoothed velocity between samples, in px/s, shape ``(T,)``; 0 near both ends.

    Steps between samples are averaged over the last four samples. A velocity is the sum of five averages divided by the
    duration of four samples.
    """
    steps = np.concatenate([[0.0], np.hypot(*np.diff(gaze, axis=0).T)])
    smooth = np.convolve(steps, np.full(WINDOW, 1 / WINDOW))[: len(steps)]
    change = np.zeros(len(gaze))
    if len(gaze) > WINDOW + 2:
        velocity = np.convolve(smooth, np.ones(WINDOW + 1), "valid") * (RATE / WINDOW)
        change[1 : len(velocity) - 1] = np.diff(velocity)[1:]
    return change


def _saccades(change: np.ndarray) -> list[tuple[int, int]]:
    """Return first and last sample of every saccade; saccades separated by a too short fixation are merged."""
    onsets = _onsets(change)
    if not onsets:
        return []
    last = len(change) - 1
    moving = np.flatnonzero(change)
    ends_in_saccade = all(end == moving[-1] for _, end in onsets)
    found = []
    for start, end in onsets:
        stop = _braked(change, end)
        if stop is None and ends_in_saccade:
            stop = last
        if stop is not None:
            found.append((start, stop))
    joined: list[tuple[int, int]] = []
    for start, stop in found:
        if joined and start - joined[-1][1] <= SHORTEST_FIXATION:
            start, _ = joined.pop()
        joined.append((start, stop))
    if joined and last - joined[-1][1] <= SHORTEST_FIXATION:
        joined[-1] = (joined[-1][0], last)
    return joined


def _onsets(change: np.ndarray) -> list[tuple[int, int]]:
    """Return first and last sample of every sufficiently long run of accelerating samples."""
    fast = np.concatenate([[False], change > THRESHOLD, [False]])
    edges = np.flatnonzero(fast[1:] != fast[:-1])
    runs = zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True)
    return [(a, b) for a, b in runs if b - a + 1 >= SHORTEST_SACCADE]


def _braked(change: np.ndarray, onset_end: int) -> int | None:
    """Return the last braking sample after an onset, after which the deceleration is below the threshold again."""
    for sample in range(onset_end + 1, onset_end + 1 + LONGEST_SEARCH):
        if sample + 1 >= len(change) - (sample > onset_end + 1):
            return None
        if change[sample] < -THRESHOLD and not change[sample + 1] < -THRESHOLD:
            return sample
    return None


def _median(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else np.nan
