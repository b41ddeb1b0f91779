"""Fixations of raw gaze, sample by sample: numbered from 1 as in MATLAB, with nothing vectorised."""

from __future__ import annotations

import math
import statistics


def fixations(gaze: list[tuple[float, float]]) -> list[tuple[float, float, int, int]]:
    """(median x, median y, first sample, number of samples) of every fixation."""
    total = len(gaze)
    saccades = find_saccades(accelerations(gaze), total)
    label = [False] * (total + 2)
    for first, last in saccades:
        for t in range(first, last + 1):
            label[t] = True
    found, t = [], 1
    while t <= total:
        if label[t]:
            t += 1
            continue
        first = t
        while t <= total and not label[t]:
            t += 1
        samples = gaze[first - 1 : t - 1]
        xs, ys = ([s[axis] for s in samples if not math.isnan(s[axis])] for axis in (0, 1))
        found.append((statistics.median(xs), statistics.median(ys), first, t - first))
    return found


def accelerations(gaze):
    total = len(gaze)
    step = [0.0, 0.0] + [math.dist(gaze[t - 1], gaze[t]) for t in range(1, total)]  # step[t], t from 1
    smooth = [0.0] + [sum(step[max(t - 3, 1) : t + 1]) / 4 for t in range(1, total + 1)]
    accel = [0.0] * (total + 1)
    for k in range(2, total - 5 + 1):
        early = sum(smooth[k : k + 5]) / (4 / 240)
        late = sum(smooth[k + 1 : k + 6]) / (4 / 240)
        accel[k] = late - early
    return accel


def find_saccades(accel, total):
    runs, t = [], 1
    while t <= total:
        first = t
        while t <= total and accel[t] > 204:
            t += 1
        if t - first >= 3:
            runs.append((first, t - 1))
        t = max(t, first + 1)
    last_change = max((t for t in range(1, total + 1) if accel[t] != 0), default=0)
    saccades = []
    for first, last in runs:
        end, here, left = None, last + 1, 25
        while True:
            if accel[here] < -204 and not accel[here + 1] < -204:
                end = here
                break
            here, left = here + 1, left - 1
            if here + 1 >= total or left == 0:
                break
        if end is None and all(r[1] == last_change for r in runs):
            end = total
        if end is not None:
            saccades.append([first, end])
    merged = []
    for saccade in saccades:
        if merged and saccade[0] - merged[-1][1] <= 12:
            merged[-1][1] = saccade[1]
        else:
            merged.append(saccade)
    if merged and total - merged[-1][1] <= 12:
        merged[-1][1] = total
    return merged
