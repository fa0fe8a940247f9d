"""What an experiment compares: ways to train on the same texts, of which the first is the one to beat."""

from dataclasses import replace
from typing import Literal

import msgspec

from service.errors import Invalid
from workers.recipe import Recipe

Kind = Literal["quality-vs-quantity", "noise", "curriculum", "weights", "strategy", "probes"]
Weighing = Literal["equal", "believed", "dropped"]
"""Of labels: all the same; by how probable it is that each is right; the same without those that are rather wrong."""


class Variant(msgspec.Struct, frozen=True):
    name: str
    labels: int
    noise: float = 0.0
    """Share of wrong answers."""
    weigh: Weighing = "equal"
    recipe: Recipe = Recipe()
    strategy: str = ""
    """Where examples are chosen and not drawn."""
    slice: str = ""
    """Where further examples come from."""


class Experiment(msgspec.Struct, frozen=True):
    """Everything that decides the result. Files are named by a hash of what is in them."""

    kind: Kind
    data: str
    test: str
    model: str
    problem: str
    labels: int
    noise: tuple[float, ...]
    times: int
    """How many labels of less quality stand against each good one."""
    frozen: bool
    strategies: tuple[str, ...] = ()
    by: str = ""
    more: int = 0
    """Examples of each slice that a probe learns from, beside the labels that all have in common."""
    slices: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises Invalid for what is no experiment."""
        if self.labels < 10:
            raise Invalid(f"--labels {self.labels} is less than 10: too few to learn from", "labels")
        if not self.noise or not all(0 <= share < 1 for share in self.noise):
            raise Invalid(
                "--noise must be shares of wrong answers from 0 to below 1, with commas between", "noise"
            )
        if self.kind == "quality-vs-quantity" and (self.times < 2 or self.labels < 10 * self.times):
            raise Invalid(
                f"--times {self.times} must be 2 or more and leave 10 good labels of {self.labels}", "times"
            )
        if self.kind == "probes" and self.more < 1:
            raise Invalid(f"--more {self.more} must be 1 or more", "more")
        if self.kind == "probes" and not self.slices:
            raise Invalid(f"--by {self.by!r}: no slice has {self.more} labels: give a smaller --more", "by")
        if self.problem == "spans" and (self.frozen or self.kind in ("curriculum", "weights")):
            raise Invalid(
                "curriculum, weights and --frozen are for labels of whole texts: spans have a learner of their own",
                "problem",
            )
        if self.kind == "curriculum" and (self.frozen or self.problem != "single_label"):
            raise Invalid(
                "a curriculum is for LoRA, which learns one label per text: leave --frozen out", "kind"
            )

    def variants(self) -> list[Variant]:
        """The reference first."""
        recipe = Recipe(contest=float("inf")) if self.frozen else Recipe()
        n, percent = self.labels, "{:.0%} wrong".format
        if self.kind == "quality-vs-quantity":
            few = n // self.times
            return [Variant(f"{few} right", few, recipe=recipe)] + [
                Variant(f"{n}, {percent(share)}", n, share, recipe=recipe) for share in self.noise
            ]
        if self.kind == "noise":
            return [Variant(percent(share), n, share, recipe=recipe) for share in sorted({0.0, *self.noise})]
        if self.kind == "probes":
            first = Variant(f"{n} labels", n, recipe=recipe)
            return [first] + [Variant(name, n + self.more, recipe=recipe, slice=name) for name in self.slices]
        share = self.noise[0]
        if self.kind == "curriculum":
            return [
                Variant("random order", n, share, "believed", recipe),
                Variant("easy first", n, share, "believed", replace(recipe, curriculum=True)),
            ]
        if self.kind == "weights":
            return [
                Variant("equal", n, share, recipe=recipe),
                Variant("believed", n, share, "believed", recipe),
                Variant("dropped", n, share, "dropped", recipe),
                Variant("half balanced", n, share, recipe=replace(recipe, balance=0.5)),
                Variant("balanced", n, share, recipe=replace(recipe, balance=1.0)),
                *(
                    Variant(f"smoothing {by:g}", n, share, recipe=replace(recipe, smoothing=by))
                    for by in (0.0, 0.1, 0.2)
                    if not self.frozen and self.problem == "single_label"
                ),
            ]
        return [Variant(name, n, share, recipe=recipe, strategy=name) for name in self.strategies]
