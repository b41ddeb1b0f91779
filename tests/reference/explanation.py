"""The explanation of a network written down plainly, map by map: NumPy only, shares no code with the package."""

from __future__ import annotations

import functools
import math

import numpy as np


def log_gabor_loop(size, wavelengths, orientations, sigma_on_f, sigma_theta, absolute=False):
    """The transfer function of Section I at every point of the FFT grid, with math.exp in two loops."""
    height, width = size
    bank = []
    for theta_0 in orientations:
        for wavelength in wavelengths:
            for ratio, spread in zip(sigma_on_f, sigma_theta, strict=True):
                ratio = ratio * wavelength if absolute else ratio
                one = np.zeros(size)
                for i in range(height):
                    for j in range(width):
                        v = (i if i < (height + 1) // 2 else i - height) / height
                        u = (j if j < (width + 1) // 2 else j - width) / width
                        f = math.sqrt(u * u + v * v)
                        if f == 0:
                            continue
                        delta = math.atan2(v, u) - theta_0
                        while delta > math.pi:
                            delta -= 2 * math.pi
                        while delta <= -math.pi:
                            delta += 2 * math.pi
                        radial = math.exp(-(math.log(f * wavelength) ** 2) / (2 * math.log(ratio) ** 2))
                        one[i, j] = radial * math.exp(-(delta**2) / (2 * spread**2))
                bank.append(one)
    return np.array(bank)


def gaussian_loop(size, sigmas):
    """The transfer functions of Gaussian blurs, point by point."""
    height, width = size
    bank = np.zeros((len(sigmas), height, width))
    for g, sigma in enumerate(sigmas):
        for i in range(height):
            for j in range(width):
                v, u = min(i, height - i) / height, min(j, width - j) / width
                bank[g, i, j] = math.exp(-2 * (math.pi * sigma) ** 2 * (u * u + v * v))
    return bank


def interpolation_matrix(old, new):
    """Rows of weights of 1-D bilinear resizing with half-pixel centres and the border pixel repeated."""
    matrix = np.zeros((new, old))
    for i in range(new):
        position = (i + 0.5) * old / new - 0.5
        position = min(max(position, 0.0), old - 1.0)
        left = math.floor(position)
        right = min(left + 1, old - 1)
        matrix[i, left] += 1 - (position - left)
        matrix[i, right] += position - left
    return matrix


def resize(array, size):
    """Bilinear, no antialiasing."""
    return interpolation_matrix(array.shape[0], size[0]) @ array @ interpolation_matrix(array.shape[1], size[1]).T


def scaled_size(size, scale):
    return max(1, math.floor(size[0] * scale)), max(1, math.floor(size[1] * scale))


def block_variances(array, block):
    """Variance of every block, cut blocks included, in reading order."""
    return np.array(
        [
            array[top : top + block, left : left + block].var()
            for top in range(0, array.shape[0], block)
            for left in range(0, array.shape[1], block)
        ]
    )


def block_means_and_deviations(array, block):
    blocks = [
        array[top : top + block, left : left + block]
        for top in range(0, array.shape[0], block)
        for left in range(0, array.shape[1], block)
    ]
    return np.array([b.mean() for b in blocks] + [b.std() for b in blocks])


def responses(array, bank, energies, low_pass_parts=("even",)):
    """Local energy through the first `energies` filters; parts of the real response through the others."""
    seen = []
    for g, one in enumerate(bank):
        response = np.fft.ifft2(np.fft.fft2(array) * one)
        if g < energies:
            seen.append(abs(response))
            continue
        above = np.maximum(response.real - response.real.mean(), 0)
        seen += [{"even": response.real, "half_wave": above, "half_squared": above**2}[part] for part in low_pass_parts]
    return seen


def covering(activations, maps, count, counts=None, influence=None):
    """Greedy choice of the reconstructions that together explain most of all activations, by least squares anew.

    Of reconstructions that explain equally much, e.g. multiples of the same candidate, the first is taken.

    counts: how much each pixel counts; influence: how much each activation map does.
    """
    live = [a for a in range(len(maps)) if standardized(activations[a]).any()]
    root = 1 if counts is None else np.sqrt(counts)
    x = np.array([(root * standardized(activations[a], counts)).ravel() for a in live])
    if influence is not None:
        x *= np.sqrt(influence)[live][:, None]
    r = np.array([(root * standardized(one, counts)).ravel() for one in maps])
    chosen, left = [], (x**2).sum()
    for _ in range(min(count, len(maps))):
        rest = {}
        for j in range(len(maps)):
            if j not in chosen and r[j].any():
                basis = r[[*chosen, j]].T
                rest[j] = ((x.T - basis @ np.linalg.lstsq(basis, x.T, rcond=None)[0]) ** 2).sum()
        if rest:
            most = left - min(rest.values())
            chosen.append(min(j for j in rest if left - rest[j] >= most * (1 - 1e-6)))
            left = rest[chosen[-1]]
    return chosen


def standardized(array, counts=None):
    """Zero mean and unit variance; counts: how much each pixel counts in both, e.g. how often it is there."""
    mean, deviation = weighted_moments(array, counts)
    if deviation <= 8 * np.finfo(array.dtype).eps * abs(array).max():
        return np.zeros_like(array)
    return (array - mean) / deviation


def weighted_moments(array, counts=None):
    counts = np.ones(array.shape) if counts is None else counts
    mean = np.average(array, weights=counts)
    return mean, math.sqrt(np.average((array - mean) ** 2, weights=counts))


def rebuild_by_matching(
    activation, candidates, *, scales, top_k, block, standardize, signed=False, joint=False, ridge=None, counts=None
):
    """Eq. 2 to 4 for one activation map; returns the reconstruction, the chosen candidates and weights per scale.

    joint: all scales share the candidates of least mean error; ridge: weights by least squares instead of by errors.
    counts: how much each pixel counts.
    """
    size = activation.shape
    counts = np.ones(size) if counts is None else counts
    target = standardized(activation, counts) if standardize else activation
    mean = weighted_moments(target, counts)[0]
    chosen, weights, squares = [], [], np.zeros(size)
    describe = block_means_and_deviations if signed else block_variances
    signs = [-1.0 if signed and ((target - mean) * counts * c).sum() < 0 else 1.0 for c in candidates]
    table = []
    for scale in scales:
        there = scaled_size(size, scale)
        # a block counts as its pixels do on average
        of_blocks = block_means_and_deviations(resize(counts, there), block)
        of_blocks = of_blocks[: len(of_blocks) // 2]
        of_blocks = np.concatenate([of_blocks, of_blocks]) if signed else of_blocks
        table.append([])
        for c, sign in zip(candidates, signs, strict=True):
            mine = describe(resize(sign * target, there), block)
            table[-1].append(np.average(abs(mine - describe(resize(c, there), block)), weights=of_blocks))
    for scale, errors in zip(scales, table, strict=True):
        there = scaled_size(size, scale)
        ranked = np.mean(table, axis=0) if joint else errors
        order = sorted(range(len(candidates)), key=lambda n: (ranked[n], n))[:top_k]
        if ridge is None:
            least = [errors[n] for n in order]
            inverse = [float(e == 0) for e in least] if min(least) == 0 else [1 / e for e in least]
            coefficients = [signs[n] * value / sum(inverse) for n, value in zip(order, inverse, strict=True)]
        else:
            coefficients = ridge_regression([candidates[n] for n in order], target, ridge, counts)
        combined = sum(w * resize(candidates[n], there) for w, n in zip(coefficients, order, strict=True))
        back = resize(combined, size)
        squares = squares + (back / len(scales) if signed else back**2)
        chosen.append(order)
        weights.append(coefficients)
    fused = squares if signed else np.sqrt(squares)
    if standardize:
        mean, deviation = weighted_moments(activation, counts)
        fused = standardized(fused, counts) * deviation + mean
    return fused, chosen, weights


def ridge_regression(maps, target, ridge, counts=None):
    """Weights of maps for a target, means aside: least squares with a row per map that pulls its weight to 0.

    ridge is relative to a map's variance.
    """
    counts = np.ones(target.shape) if counts is None else counts / counts.mean()
    root = np.sqrt(counts).ravel()
    rows = np.array([root * standardized(one, counts).ravel() for one in maps]).T
    mean = weighted_moments(target, counts)[0]
    pull = np.sqrt(ridge * target.size) * np.eye(len(maps))
    right = np.concatenate([root * (target - mean).ravel(), np.zeros(len(maps))])
    fitted = np.linalg.lstsq(np.concatenate([rows, pull]), right, rcond=None)[0]
    deviations = [weighted_moments(one, counts)[1] for one in maps]
    return [w / std if std > 0 else 0.0 for w, std in zip(fitted, deviations, strict=True)]


def rebuild_by_pursuit(activation, candidates, *, top_k, nonnegative=False, ridge=0.0, counts=None, floor=0.0):
    """Orthogonal matching pursuit with a fresh least-squares fit at every step.

    counts: how much each pixel counts; floor: ends before a term that explains less than so many times
    2 ln N / P of what is left.
    """
    counts = np.ones(activation.shape) if counts is None else counts / counts.mean()
    root, mean = np.sqrt(counts).ravel(), weighted_moments(activation, counts)[0]
    plain = np.array([standardized(c, counts).ravel() for c in candidates]).reshape(-1, activation.size)
    atoms, target = plain * root, (activation - mean).ravel() * root
    support, weights = [], np.zeros(0)
    for _ in range(top_k if candidates else 0):
        residual = target - (weights @ atoms[support] if support else 0)
        score = atoms @ residual
        score = score if nonnegative else abs(score)
        score[support] = -np.inf
        score[~atoms.any(1)] = -np.inf
        if score.max() <= 1e-6 * np.sqrt((target**2).sum() * target.size):
            break
        trial = [*support, int(score.argmax())]
        after = target - np.linalg.lstsq(atoms[trial].T, target, rcond=None)[0] @ atoms[trial]
        chance = 2 * math.log(len(candidates)) * (counts**2).mean() / target.size
        if 1 - (after**2).sum() / (residual**2).sum() < floor * chance:
            break
        support = trial
        weights = np.linalg.lstsq(atoms[support].T, target, rcond=None)[0]
    if ridge and support:
        weights = np.array(ridge_regression([candidates[n] for n in support], activation, ridge, counts))
        weights = weights * [weighted_moments(candidates[n], counts)[1] for n in support]
    rebuilt = mean + (weights @ plain[support] if support else 0 * target)
    return np.reshape(rebuilt, activation.shape), support, weights


def rebuild_by_weighted_sums(activation, candidates, *, top_k, block, counts=None):
    """Weights of Eq. 3 with either sign; at every step all longer sums are made, and the most similar one is kept."""
    counts = np.ones(activation.shape) if counts is None else counts / counts.mean()
    target, blocks = standardized(activation, counts), block_means_and_deviations(counts, block)
    of_blocks = np.tile(blocks[: len(blocks) // 2], 2)
    mine, choices = block_means_and_deviations(target, block), []
    for n, candidate in enumerate(candidates):
        for sign in (1, -1):
            one = sign * standardized(candidate, counts)
            error = np.average(abs(mine - block_means_and_deviations(one, block)), weights=of_blocks)
            if one.any():
                choices.append((n, sign, one, 1 / error))
    chosen, total, most = [], np.zeros(activation.shape), 0.0
    largest = max((weight for *_, weight in choices), default=1.0)
    for _ in range(top_k):
        found = None
        for n, sign, one, weight in choices:
            longer = total + weight / largest * one
            energy = (counts * longer**2).sum()
            value = (counts * longer * target).sum() / math.sqrt(energy) if energy > 0 else 0.0
            if n not in [m for m, _, _ in chosen] and (found is None or value > found[0] * (1 + 1e-9)):
                found = (value, n, sign, weight / largest, longer)
        if found is None or not found[0] > most * (1 + 5e-7):
            break
        most, total = found[0], found[4]
        chosen.append(found[1:4])
    mean, deviation = weighted_moments(activation, counts)
    spread = math.sqrt(np.average(total**2, weights=counts)) if chosen else 1.0
    weights = [sign * weight * deviation / spread for _, sign, weight in chosen]
    return total / spread * deviation + mean, [n for n, _, _ in chosen], np.array(weights)


def rebuild_layer(rebuild, activations, candidates):
    """All maps of a layer; where noise would explain each as well, each has one term all the same."""
    details = [rebuild(activation, candidates) for activation in activations]
    if any(len(one[1]) for one in details):
        return details
    return [rebuild(activation, candidates, top_k=1, floor=0.0) for activation in activations]


def explain_chain(
    input_maps,
    layers,
    parents,
    bank_of,
    *,
    energies,
    rebuild,
    standardize,
    selection,
    pool_size,
    low_pass_parts=("even",),
    counts=None,
    influence=None,
):
    """Rebuild layer after layer.

    input_maps: what of the image is filtered; layers: name -> activations (A, H, W), in order; parents: name -> names
    of the layers (or "input") it is rebuilt from; bank_of: size -> transfer functions; rebuild: (activation,
    candidates, counts=) -> (reconstruction, ...); counts: name -> how much each pixel counts;
    influence: name -> how much each map does.
    Returns name -> (reconstructions (A, H, W), kept maps, details).
    """
    pools = {"input": input_maps}
    result = {}
    for name, activations in layers.items():
        size = activations.shape[1:]
        own = None if counts is None else counts[name]
        candidates = []
        for parent in parents[name]:
            for one in pools[parent]:
                for response in responses(one, bank_of(one.shape), energies(one.shape), low_pass_parts):
                    response = resize(response, size)
                    candidates.append(standardized(response, own) if standardize else response)
        details = rebuild_layer(functools.partial(rebuild, counts=own), activations, candidates)
        maps = np.array([d[0] for d in details])
        errors = abs(activations - maps).mean((1, 2))
        if selection == "correlation":
            pairs = zip(activations, maps, strict=True)
            errors = np.array([-np.corrcoef(x.ravel(), r.ravel())[0, 1] if x.std() > 0 else np.inf for x, r in pairs])
        if selection == "relative_mae":
            deviation = abs(activations - activations.mean((1, 2), keepdims=True)).mean((1, 2))
            errors = np.array([e / d if d > 1e-12 else np.inf for e, d in zip(errors, deviation, strict=True)])
        order = sorted(range(len(errors)), key=lambda a: (errors[a], a))[:pool_size]
        kept = [a for a in order if np.isfinite(errors[a])]
        if selection == "coverage":
            kept = covering(activations, maps, pool_size, own, None if influence is None else influence[name])
        pools[name] = [maps[a] for a in kept]
        result[name] = (maps, kept, details)
    return result
