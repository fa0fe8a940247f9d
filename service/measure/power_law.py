"""Power laws of learning, and how sure one can be of them beyond the points that were measured.

A model's error after n labels is taken to be

    error(n) = floor + (level - floor) · ((n + shift) / (N + shift))^-exponent

with N the greatest number of labels measured: the power law with an asymptote of Figueroa et al. 2012 ("Predicting
sample size required for classification performance") and Hestness et al. 2017, and a shift for the flat beginning
that curves of many classes have. Nothing here knows what the error is of, but that it lies in 0..1.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
PARTICLES = 2_000
MOVES = 12
"""Metropolis steps after each resampling."""
ENOUGH = 40
"""Points of a curve: more say little more, and the time it takes grows with their square."""
MISFIT = 5.0
"""Standard deviations that the best law's chi-square may lie above its mean."""


@dataclass(frozen=True, eq=False)
class Law:
    """d equally likely power laws, each field (d,) but `measured`, which is N."""

    measured: float
    floor: Floats
    level: Floats
    exponent: Floats
    shift: Floats

    def error(self, labels: float | Floats) -> Floats:
        """(d,); of labels (k, 1): (k, d)."""
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

    Bayes: exponents uniform in 0.1 to 1, shifts log-uniform in 1 to 300 labels, luck one of three scales, levels
    uniform, the floor uniform from 0 to the lowest level. Drawn by sequential Monte Carlo (Del Moral, Doucet and
    Jasra 2006): particles of the prior are weighted by a growing power of the likelihood, resampled, and moved.
    """
    curve = np.repeat(np.arange(len(sizes)), [len(each) for each in sizes])
    n, error = np.concatenate(sizes), np.concatenate(errors)
    measured = np.array([each.max() for each in sizes])
    whitenings = [
        np.linalg.inv(np.linalg.cholesky(covariance + _luck(curve, n, error, scale))) for scale in LUCK
    ]

    def laws(cube: Floats) -> list[Law]:
        """(d, 1 + 3 S) in 0..1, of which the prior is uniform."""
        level, exponent, shift = cube[:, 1:].reshape(len(cube), 3, -1).transpose(1, 2, 0)  # (S, d) each
        floor = cube[:, 0] * level.min(axis=0)
        exponent = EXPONENTS[0] + (EXPONENTS[1] - EXPONENTS[0]) * exponent
        shift = SHIFTS[0] * (SHIFTS[1] / SHIFTS[0]) ** shift
        return [Law(most, floor, *each) for most, *each in zip(measured, level, exponent, shift, strict=True)]

    def likely(cube: Floats) -> tuple[Floats, Floats]:
        """Log likelihoods (d,), luck summed out, and chi-squares (d,) for the greatest luck."""
        said = np.concatenate([law.error(each[:, None]) for law, each in zip(laws(cube), sizes, strict=True)])
        chi = [((white @ (error[:, None] - said)) ** 2).sum(axis=0) for white in whitenings]
        scaled = [
            np.log(white.diagonal()).sum() - one / 2 for white, one in zip(whitenings, chi, strict=True)
        ]
        summed: Floats = np.logaddexp.reduce(scaled)
        return summed, chi[-1]

    cube = _sample(lambda each: likely(each)[0], 1 + 3 * len(sizes), rng)
    if likely(cube)[1].min() > len(n) + MISFIT * np.sqrt(2 * len(n)):
        return None
    return laws(cube)


def _sample(likely: Callable[[Floats], Floats], width: int, rng: Generator) -> Floats:
    """Particles (d, width) of the unit cube, as dense as a likelihood, which is given as its logarithm."""
    cube = rng.random((PARTICLES, width))
    now, power = likely(cube), 0.0
    while power < 1:
        step = _step(now, 1 - power)
        power += step
        weight = np.exp(step * (now - now.max()))
        chosen = rng.choice(PARTICLES, PARTICLES, p=weight / weight.sum())
        cube, now = cube[chosen], now[chosen]
        stride = np.linalg.cholesky(np.cov(cube.T) + 1e-12 * np.eye(width)) * 2.4 / np.sqrt(width)
        for _ in range(MOVES):
            moved = cube + rng.standard_normal(cube.shape) @ stride.T
            moved = 1 - np.abs(1 - moved % 2)  # reflected at the cube's sides
            then = likely(moved)
            taken = np.log(rng.random(PARTICLES)) < power * (then - now)
            cube[taken], now[taken] = moved[taken], then[taken]
    return cube


def _step(likely: Floats, rest: float) -> float:
    """How much the power of the likelihood may grow, `rest` at most, for half of the particles to count still."""

    def count(step: float) -> float:
        weight = np.exp(step * (likely - likely.max()))
        return float(weight.sum() ** 2 / (weight**2).sum())

    if count(rest) >= PARTICLES / 2:
        return rest
    low, high = 0.0, rest
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if count(middle) >= PARTICLES / 2 else (low, middle)
    return high


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
