"""How an adapter is trained. The numbers come from the measurements in tests/bench/LOG.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    rank: int = 8
    alpha: int = 16
    """LoRA adds alpha / rank · B·A to a weight."""
    upper: bool = True
    """LoRA on the upper half of the layers only: a third less work per step."""
    everywhere: float = 10.0
    """With so many labels per class it is on all layers nevertheless: it pays where there is much to learn from."""
    scale: float = 20.0
    """logits = scale · (W·e + b) for an embedding e of length 1."""
    rate: float = 2e-3
    batch: int = 8
    smoothing: float = 0.05
    decay: float = 0.01
    clip: float = 1.0
    warmup: float = 0.1
    """Share of the steps in which the learning rate grows from 0; afterwards it falls to 0 linearly."""
    prototypes: float = 10.0
    """With fewer labels per class the head starts from the classes' mean embeddings, else from noise."""
    contest: float = 3.0
    """With fewer labels per class LoRA adds little to a linear head, or loses, and is left out."""
    balance: float = 0.0
    """What a label weighs, times (mean labels of a class / labels of its class) to this power: 1 gives every class the
    same say (tests/bench/LOG.md)."""
    curriculum: bool = False
    """Whether LoRA sees trusted and easy labels first. It gained nothing where it was measured."""
    pseudo: int = 2_000
    """Texts of the pool that get a pseudo-label, at most."""

    def steps(self, labels: int, pseudo: bool) -> int:
        """Optimizer steps for so many labels, and pseudo-labels beside them."""
        return min(1_000, 40 + round(0.2 * labels) if pseudo else max(40, round(0.3 * labels)))
