"""The lines of the documentation and of the model card, run where nothing of this project can be imported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service import standalone
from tests.learner.alone import ASKED, LABELS, TEXTS, assert_postils, by_postil, run, trained
from workers import adapter, tagger
from workers.encoder import Encoder

PAGE = Path(standalone.__file__).parent / "docs" / "adapters.md"


def test_the_page_and_the_card_have_the_same_lines() -> None:
    page = PAGE.read_text("utf-8")
    blocks = [block.partition("\n")[2] for block in page.split("```")[1::2]]
    for problem in ("single_label", "multi_label", "spans"):
        assert standalone.use(problem) in blocks
        assert standalone.use(problem).count(ASKED) == 1
    assert f"```python\n{standalone.use('single_label')}```" in page


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_they_say_what_postil_says(
    tiny: Encoder, labeled: tuple[list[str], NDArray[np.int64]], tmp_path: Path
) -> None:
    models = trained(tiny, labeled)
    for problem, fitted in models.items():
        adapter.save(fitted, tmp_path / problem / "adapter", LABELS, {}, {})
    assert_postils(tiny, models, run(tmp_path, TEXTS, [*models]))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("words", [True, False])
def test_spans_of_an_unsure_tagger_are_the_same_too(minilm: Encoder, tmp_path: Path, words: bool) -> None:
    """One with a head of noise: tags that may not follow each other, and words of several tokens, are everywhere."""
    untaught = tagger.fit(minilm, ["a text"], [[]], np.ones(1, np.float32), 3, 0)
    rng = np.random.default_rng(0)
    weight = rng.normal(size=untaught.weight.shape).astype(np.float32)
    noisy = replace(untaught, weight=weight, bias=np.zeros_like(untaught.bias), words=words, temperature=0.5)
    adapter.save(noisy, tmp_path / "spans" / "adapter", LABELS, {}, {})
    pieces = ["cat", "uncopyrightable", "sum", " ", "  ", ",", "ß", "9", "é", "日", "\u00ad", "x"]
    texts = ["".join(rng.choice(pieces, 16)) for _ in range(60)]

    assert run(tmp_path, texts, ["spans"])["spans"][0] == by_postil(minilm, noisy, texts)
