"""Near-duplicates planted among real texts, and what looking for them takes, up to a million texts.

    make bench-near DATA=folder [ARGS='--rows 100000 --planted 4000 --scale 1000000']
    python -m tests.bench.near folder

`folder` holds sets as for bench-labels. Of the different texts in them one in so many gets a copy: in other case, with
other punctuation, with one word changed for a random one, or with its words in random order; texts of four words and
more. All are shuffled and cut into shards. Recall: the share of copies that stand with their original. What else is
reported is written to a file, 100 pairs at random, to be read; where both texts have a label, `same_label` is how many
have the same. Made-up texts and embeddings tell the time and the memory for --scale of them.
"""

import argparse
import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.demo import encoder
from service.pool.shards import SHARD_ROWS
from service.pool.text import digest
from tests.bench.labels import rows
from workers import device, near
from workers.encoder import Encoder
from workers.near import Bags, Part

KINDS = ("case", "punctuation", "word", "order")
DIMENSION, CLUSTERS, WORDS = 384, 1_000, 12
FEWEST, ENOUGH = 4, 6
"""Words. In a text of four or five a changed one is its point, more often than not."""
READ = 100


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--planted", type=int, default=4_000)
    parser.add_argument("--scale", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("near-pairs.txt"))
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    texts, labels = read(arguments.folder, arguments.rows - arguments.planted, rng)
    long = [at for at, text in enumerate(texts) if len(text.split()) >= FEWEST]
    sources = rng.choice(long, arguments.planted, replace=False)
    copies = [copy(texts, int(at), KINDS[one % 4], rng) for one, at in enumerate(sources)]
    order = rng.permutation(len(texts) + len(copies))
    every = [(texts + copies)[at] for at in order]
    base = Encoder.load(encoder.path(), *device.best())
    embeddings = base.embed(base.tokenize(every)).astype(np.float16)
    leaders, seconds = look(every, embeddings, rng)
    where = np.argsort(order)
    together = leaders[where[sources]] == leaders[where[len(texts) :]]
    recall = {kind: float(together[at::4].mean()) for at, kind in enumerate(KINDS)}
    recall["all"] = float(together.mean())
    enough = np.array([len(texts[at].split()) >= ENOUGH for at in sources])
    recall[f"all, {ENOUGH} words and more"] = float(together[enough].mean())
    planted = np.zeros(len(every), np.bool_)
    planted[where[len(texts) :]] = planted[where[sources]] = True
    found = np.flatnonzero((leaders != np.arange(len(every))) & ~planted & ~planted[leaders])
    said = [labels[at] if at < len(labels) else None for at in order]
    same = [said[at] == said[leaders[at]] for at in found if said[at] and said[leaders[at]]]
    shown = rng.choice(found, min(READ, len(found)), replace=False)
    arguments.out.write_text("".join(f"{every[leaders[at]]}\n    {every[at]}\n" for at in shown), "utf-8")
    print(f"{len(every):,} texts, {seconds:.1f} s; recall {recall}")
    print(
        f"{len(found):,} others; {np.mean(same):.3f} of {len(same):,} with labels have the same; {arguments.out}"
    )
    result = {
        "rows": len(every),
        "seconds": round(seconds, 1),
        "recall": recall,
        "same_label": float(np.mean(same)),
    }
    if arguments.scale:
        result["scale"] = scale(arguments.scale, arguments.seed)
    print(json.dumps(result))


def read(folder: Path, count: int, rng: np.random.Generator) -> tuple[list[str], list[str | None]]:
    """At most so many different texts of all sets in English, and the one label that a text has."""
    found: dict[bytes, tuple[str, str | None]] = {}
    for one in sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "nsmc_raw"):
        for part in ("train", "dev", "test"):
            for row in rows(one / f"{part}.jsonl"):
                label: Any = row.get("label")
                found.setdefault(digest(row["text"]), (row["text"], label and f"{one.name} {label}"))
    kept = rng.permutation(np.array(list(found.values()), dtype=object))[:count]
    return [str(text) for text, _ in kept], [label for _, label in kept]


def copy(texts: Sequence[str], at: int, kind: str, rng: np.random.Generator) -> str:
    """The text once more, not quite the same."""
    words = texts[at].split()
    if kind == "case":
        return texts[at].swapcase()
    if kind == "punctuation":
        return " ".join(word + str(rng.choice([",", ".", "!", ";", ""])) for word in words) + "?!"
    if kind == "order":
        return " ".join(rng.permutation(words))
    other = texts[int(rng.integers(len(texts)))].split()
    words[int(rng.integers(len(words)))] = str(rng.choice(other)) + "s"
    return " ".join(words)


def look(
    texts: Sequence[str], embeddings: NDArray[np.floating], rng: np.random.Generator
) -> tuple[NDArray[np.int64], float]:
    """(leaders of all, seconds), shard by shard as a campaign does it: what came before is read again each time."""
    started, found = time.perf_counter(), np.arange(len(texts))
    for start in range(0, len(texts), SHARD_ROWS):
        end = min(start + SHARD_ROWS, len(texts))
        parts = [
            Part(Bags.of(texts[at:to]), embeddings[at:to], found[at:to])
            for at in range(0, end, SHARD_ROWS)
            for to in [min(at + SHARD_ROWS, end)]
        ]
        found[start:end] = near.leaders(parts, rng)[0]
        print(f"  {end:,} texts, {time.perf_counter() - started:.1f} s", flush=True)
    return found, time.perf_counter() - started


def scale(count: int, seed: int) -> dict[str, float]:
    """Made-up texts in clusters, a twentieth of them copies with a word changed."""
    rng = np.random.default_rng(seed)
    vocabulary = np.array(
        [f"w{at:x}".translate(str.maketrans("0123456789", "ghijklmnop")) for at in range(30_000)]
    )
    copied = count // 20
    # Words as often as in a language (Zipf, Mandelbrot 1953): 1 / (rank + 2.7).
    shares = np.cumsum(1 / (np.arange(len(vocabulary)) + 2.7))
    drawn = np.searchsorted(shares, rng.random((count - copied, WORDS)) * shares[-1])
    centres = rng.normal(size=(CLUSTERS, DIMENSION)).astype(np.float32)
    embeddings = np.empty((count, DIMENSION), np.float16)
    for start in range(0, count - copied, SHARD_ROWS):
        end = min(start + SHARD_ROWS, count - copied)
        points = centres[rng.integers(CLUSTERS, size=end - start)]
        points = points + rng.normal(size=points.shape).astype(np.float32)
        embeddings[start:end] = points / np.linalg.norm(points, axis=1, keepdims=True)
    sources = rng.choice(count - copied, copied, replace=False)
    again = drawn[sources]
    again[np.arange(copied), rng.integers(WORDS, size=copied)] = rng.integers(len(vocabulary), size=copied)
    embeddings[count - copied :] = embeddings[sources]
    order = rng.permutation(count)
    texts = [" ".join(row) for row in vocabulary[np.concatenate([drawn, again])[order]]]
    del drawn, again
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    leaders, seconds = look(texts, embeddings[order], rng)
    where = np.argsort(order)
    recall = float((leaders[where[sources]] == leaders[where[count - copied :]]).mean())
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "rows": count,
        "seconds": round(seconds, 1),
        "recall": recall,
        "gib": round(gib, 2),
        "before": before / 2**20,
    }


if __name__ == "__main__":
    main()
