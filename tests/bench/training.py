"""Training an adapter, beside what people would use instead: seconds on the same labels, and what comes of it.

    make bench-training [DATA=FOLDER] [ARGS='--seeds 3']
    python -m tests.bench.training [FOLDER]

FOLDER has train.jsonl and test.jsonl with `text` and `label`; without it the demo's own text is read. 525 random
labels; both sides read the same, on as many threads, one after the other in each seed.

    trainer   transformers' Trainer with peft (rank 8, all layers, a random head on mean-pooled embeddings), float32,
              15 epochs, batches of 16, 1e-3 falling linearly
    postil    `learner.fit`: linear head, pseudo-labels, contest and LoRA
    later     the same, where the contest's finding holds from an earlier round, as it does in most

`accuracy_difference`: Postil's test accuracy less the trainer's, paired by seed, mean and 95 % interval (Student's t).
"""

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, TaskType, get_peft_model
from scipy.stats import t as student
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from transformers import AutoModel, AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments

from service.demo import encoder as demo
from tests.bench import texts
from workers import device, learner
from workers.encoder import Encoder

POOL, LABELS, EPOCHS, BATCH, RATE = 5_000, 525, 15, 16, 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    base = Encoder.load(demo.path(), *device.best())
    read = texts.read(arguments.folder)
    pool, right = read.texts[:POOL], read.test_classes
    corpus, test = (texts.corpus(base, some, read.names) for some in (pool, read.test_texts))
    weights, classes = np.ones(LABELS, np.float32), len(read.names)
    lines = []
    print(f"{'seed':>4} {'trainer':>16} {'postil':>16} {'later':>16}")
    for seed in range(arguments.seeds):
        rows = np.random.default_rng(seed).choice(len(pool), LABELS, replace=False)
        started = time.perf_counter()
        model = Peft(classes, seed)
        train(model, [pool[row] for row in rows], read.classes[rows], seed)
        theirs = time.perf_counter() - started
        line = [theirs, float((ask(model, read.test_texts) == right).mean())]
        earlier = None
        for _ in range(2):
            started = time.perf_counter()
            fitted = learner.fit(
                base, corpus, rows, read.classes[rows], weights, classes, seed, earlier=earlier
            )
            line.append(time.perf_counter() - started)
            found = learner.predict(base, fitted, test.tokens, test.base).probabilities.argmax(1)
            line.append(float((found == right).mean()))
            earlier = fitted.metrics
        lines.append(line)
        told = [
            f"{took:8.1f} s  {accuracy:.3f}" for took, accuracy in zip(line[::2], line[1::2], strict=True)
        ]
        print(f"{seed:4} {' '.join(told)}", flush=True)
    took, before, needed, now, later, then = np.array(lines).T
    print(
        json.dumps(
            {
                "labels": LABELS,
                "threads": arguments.threads,
                "precision": str(base.device.dtype).removeprefix("torch."),
                "vs_trainer": round(float(np.median(took / needed)), 1),
                "vs_trainer_later": round(float(np.median(took / later)), 1),
                "accuracy_difference": [round(one, 4) for one in interval(now - before)],
                "accuracy_difference_later": [round(one, 4) for one in interval(then - before)],
            }
        )
    )


class Peft(nn.Module):
    """LoRA and a linear head, as one writes it for the Trainer."""

    def __init__(self, classes: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        config = LoraConfig(
            task_type=TaskType.FEATURE_EXTRACTION, r=8, lora_alpha=16, target_modules="all-linear"
        )
        self.encoder = get_peft_model(AutoModel.from_pretrained(demo.path()), config)
        self.head = nn.Linear(self.encoder.config.hidden_size, classes)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None, **_: Any
    ) -> dict[str, Tensor]:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1)
        logits = self.head(20 * normalize((hidden * mask).sum(1) / mask.sum(1), dim=1))
        return {"logits": logits} | ({} if labels is None else {"loss": cross_entropy(logits, labels)})


def train(model: Peft, some: list[str], classes: NDArray[np.int64], seed: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(demo.path())
    rows = [
        {**tokenizer(text, truncation=True, max_length=256), "labels": int(label)}
        for text, label in zip(some, classes, strict=True)
    ]
    with TemporaryDirectory(prefix="postil-bench-") as folder:
        Trainer(
            model,
            TrainingArguments(
                folder,
                num_train_epochs=EPOCHS,
                per_device_train_batch_size=BATCH,
                learning_rate=RATE,
                seed=seed,
                use_cpu=True,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
                dataloader_pin_memory=False,
            ),
            train_dataset=rows,
            data_collator=DataCollatorWithPadding(tokenizer),
        ).train()


def ask(model: Peft, some: list[str]) -> NDArray[np.int64]:
    tokenizer, found = AutoTokenizer.from_pretrained(demo.path()), []
    model.eval()
    for start in range(0, len(some), 64):
        batch = tokenizer(
            some[start : start + 64], padding=True, truncation=True, max_length=256, return_tensors="pt"
        )
        with torch.no_grad():
            found.append(model(**batch)["logits"].argmax(1).numpy())
    return np.concatenate(found)


def interval(differences: NDArray[np.float64]) -> list[float]:
    """The mean and, of two differences and more, the ends of its 95 % interval by Student's t."""
    n, mean = len(differences), float(differences.mean())
    if n < 2:
        return [mean]
    half = float(student.ppf(0.975, n - 1) * differences.std(ddof=1) / n**0.5)
    return [mean, mean - half, mean + half]


if __name__ == "__main__":
    main()
