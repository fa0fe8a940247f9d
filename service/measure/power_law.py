"""Power laws of learning, and how sure one can be of them beyond the points that were measured.

A model's error after n labels is taken to be

    error(n) = floor + (level - floor) · ((n + shift) / (N + shift))^-exponent

with N the greatest number of labels measured: the power law with an asymptote of Figueroa et al. 2012 ("Predicting
sample size required for classification performance") and Hestness et al. 2017, and a shift for the flat beginning
that curves of many classes have. Nothing here knows what the error is of, but that it lies in 0..1.
"""

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXPONENTS = (0.1, 1.0)
SHIFTS = (1.0, 300.0)
LUCK = (0.2, 0.4, 0.8)
"""Standard deviations of the error among models of different labels, as shares of sqrt(e (1 - e) / n).

Three seeds each of short texts at 100 labels gave .1 to .7 (tests/bench/LOG.md, 2026-11-23)."""
PERSISTENT = 0.5
"""Part of that variance which comes from the labels, and stays as more are added; the rest is each training's own."""
DRAWS = 10_000
KEPT = 4_000
FEWEST = 30
"""Fewer draws than so many that the points leave possible are no fit."""


@dataclass(frozen=True, eq=False)
class Law:
    """d equally likely power laws, each field (d,) but `measured`, which is N."""

    measured: float
    floor: Floats
    level: Floats
    exponent: Floats
    shift: Floats

    def error(self, labels: float) -> Floats:
        """(d,)."""
        shrunk = ((labels + self.shift) / (self.measured + self.shift)) ** -self.exponent
        return self.floor + (self.level - self.floor) * shrunk

    def labels(self, error: Floats) -> Floats:
        """(d,) errors -> (d,) labels that are needed to come to them; infinite where none are enough, 0 at least."""
        above = np.maximum(error - self.floor, 0)
        with np.errstate(divide="ignore", over="ignore"):
            factor = ((self.level - self.floor) / above) ** (1 / self.exponent)
        needed: Floats = np.maximum((self.measured + self.shift) * factor - self.shift, 0)
        return needed


def posterior(
    sizes: list[Floats], errors: list[Floats], covariance: Floats, rng: Generator
) -> list[Law] | None:
    """The power laws that points leave possible, one for each curve; all curves have one floor. None: no fit.

    `sizes` and `errors` are of each curve's points; `covariance` (P, P) of all P errors, curve after curve, is what
    measuring them on few examples leaves open. To it comes the luck of training: models of other labels, equally
    many, would err differently, and labels that are kept from round to round keep their luck.

    Bayes: exponent uniform in 0.1 to 1, shift log-uniform in 1 to 300 labels, luck one of three scales, floor and
    levels uniform, the floor below every level. Drawn by importance sampling; given the rest, levels are Gaussian.
    """
    curve = np.repeat(np.arange(len(sizes)), [len(each) for each in sizes])
    n, error = np.concatenate(sizes), np.concatenate(errors)
    exponent = rng.uniform(*EXPONENTS, (DRAWS, len(sizes)))
    shift = np.exp(rng.uniform(log(SHIFTS[0]), log(SHIFTS[1]), (DRAWS, len(sizes))))
    measured = np.array([each.max() for each in sizes])
    shrunk = ((n + shift[:, curve]) / (measured + shift)[:, curve]) ** -exponent[:, curve]  # (DRAWS, P)
    top = min(float(each[-1]) for each in errors) + 3 * float(np.sqrt(covariance.diagonal().max()))
    floor = min(1.0, top) * rng.uniform(0, 1, DRAWS)
    basis = np.where(curve == np.arange(len(sizes))[:, None], shrunk[:, None, :], 0.0)  # (DRAWS, S, P)
    rest = error - floor[:, None] * (1 - shrunk)
    found = [_levels(basis, rest, covariance + _luck(curve, n, error, scale), rng) for scale in LUCK]
    level = np.concatenate([one for one, _ in found])  # (L · DRAWS, S)
    likely = np.concatenate([one for _, one in found])
    floor, exponent, shift = (np.concatenate([one] * len(LUCK)) for one in (floor, exponent, shift))
    likely[(level <= floor[:, None]).any(axis=1) | (level >= 1).any(axis=1)] = -np.inf
    weight = np.exp(likely - likely.max())
    weight /= weight.sum()
    if not 1 / (weight**2).sum() >= FEWEST:
        return None
    kept = rng.choice(len(weight), KEPT, p=weight)
    return [
        Law(float(measured[at]), floor[kept], level[kept, at], exponent[kept, at], shift[kept, at])
        for at in range(len(sizes))
    ]


def _levels(basis: Floats, rest: Floats, covariance: Floats, rng: Generator) -> tuple[Floats, Floats]:
    """Levels (d, S) drawn given all else, and the log likelihood (d,) of all else, up to a constant.

    Least squares on errors `rest` (d, P) of that covariance (P, P), with `basis` (d, S, P).
    """
    whitening = np.linalg.inv(np.linalg.cholesky(covariance))
    x, y = basis @ whitening.T, rest @ whitening.T
    precision = x @ x.transpose(0, 2, 1)  # (d, S, S)
    lower = np.linalg.cholesky(precision)
    projected = np.linalg.solve(lower, x @ y[:, :, None])  # (d, S, 1)
    noise = rng.standard_normal(projected.shape)
    level = np.linalg.solve(lower.transpose(0, 2, 1), projected + noise)[:, :, 0]
    misfit = (y**2).sum(axis=1) - (projected[:, :, 0] ** 2).sum(axis=1)
    spread = np.log(lower.diagonal(axis1=1, axis2=2)).sum(axis=1)
    likely: Floats = -misfit / 2 - spread + np.log(whitening.diagonal()).sum()
    return level, likely


def _luck(curve: NDArray[np.int64], n: Floats, error: Floats, scale: float) -> Floats:
    """(P, P) covariance by the luck of training.

    The labels' part is that of a mean over n labels: of a mean over some of them and the mean over all, the
    covariance is the variance of the latter.
    """
    share = np.clip(error, 0.02, 0.98)
    one = scale * np.sqrt(share * (1 - share))
    labels = np.where(curve[:, None] == curve, 1 / np.maximum(n[:, None], n), 0.0)
    luck: Floats = PERSISTENT * labels + (1 - PERSISTENT) * np.diag(1 / n)
    return luck * one[:, None] * one
