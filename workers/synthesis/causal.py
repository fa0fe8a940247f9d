"""A causal language model on this machine, which goes on with a list of labeled texts."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from workers.corpus import words
from workers.device import Device
from workers.synthesis.drafts import Draft, GeneratorDown, Group, drawn

FEW, SHOWN_CHARS = 8, 300
"""Labeled texts that are shown, and characters of each."""
ASKED = 16
"""Texts that are written at a time."""
NEW_TOKENS, NUCLEUS = 64, 0.95
"""Nucleus sampling (Holtzman et al., arXiv:1904.09751)."""
TURNS = 3
"""Times as many texts are written at most as are wanted: some are empty, or known."""


class Causal:
    """A loaded model. `nonsense` counts what it wrote that is no new text."""

    def __init__(self, model: str, device: Device) -> None:
        """Raises GeneratorDown where it cannot be loaded: only safetensors are, and no code of its repository."""
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(
                model, trust_remote_code=False, truncation_side="left"
            )
            network = AutoModelForCausalLM.from_pretrained(
                model, use_safetensors=True, trust_remote_code=False, dtype=device.dtype
            )
        except (OSError, ValueError, KeyError) as error:
            words = str(error).partition("\n")[0]
            raise GeneratorDown(
                f"the model {model} cannot be loaded as a causal language model: {words}"
            ) from error
        self._network, self.nonsense = network.eval().to(device.name), 0

    def drafts(
        self, group: Group, count: int, rng: np.random.Generator, pause: Callable[[], None] = lambda: None
    ) -> Iterator[Draft]:
        """Up to `count` texts of one label; `pause` is called before each batch."""
        made = {one.text for one in group.seen}
        left = count
        for _ in range(TURNS * -(-count // ASKED)):
            if not left:
                return
            pause()
            shown = drawn(group, FEW, rng)
            for text in self._written(prompt(group.label, [one.text for one in shown]), rng):
                if not text or text in made:
                    self.nonsense += 1
                elif left:
                    made.add(text)
                    left -= 1
                    yield Draft(text, group.answer, tuple(one.place for one in shown), "few-shot")

    def _written(self, words: str, rng: np.random.Generator) -> list[str]:
        """ASKED continuations, each up to the end of its line."""
        longest = int(getattr(self._network.config, "max_position_embeddings", 2_048))
        room = max(1, longest - NEW_TOKENS)
        given = self._tokenizer(words, return_tensors="pt", truncation=True, max_length=room)
        ids = given["input_ids"].to(self._network.device)
        seeded = [self._network.device] if self._network.device.type == "cuda" else []
        with torch.inference_mode(), torch.random.fork_rng(seeded):
            torch.manual_seed(int(rng.integers(2**31)))
            found = self._network.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=NUCLEUS,
                max_new_tokens=min(NEW_TOKENS, longest - ids.shape[1]),
                num_return_sequences=ASKED,
                pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id or 0,
            )
        lines = self._tokenizer.batch_decode(found[:, ids.shape[1] :], skip_special_tokens=True)
        return [" ".join((line.strip().splitlines() or [""])[0].split()) for line in lines]


def prompt(label: str, shown: list[str]) -> str:
    """A list of texts that asks for one more."""
    lines = [f"{at}. {' '.join(one.split())[:SHOWN_CHARS]}" for at, one in enumerate(shown, 1)]
    return "\n".join([f"{len(lines) + 1} texts about {words(label)}:", *lines, f"{len(lines) + 1}."])
