"""Teachers that read texts: a classifier on this machine, or a server; each says how sure it is of a text's label."""

from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from service import generators, teachers
from service.errors import PostilError
from workers.batches import by_length
from workers.device import Device
from workers.encoder import Progress
from workers.server import Server

TOKENS = 512
ASKED = 64
"""Texts in one request to a server."""


class NoTeacher(PostilError):
    """It cannot be loaded, or does not answer as it should; in words for people."""


def confidences(
    teacher: str, texts: Sequence[str], device: Device, prefixes: str, progress: Progress
) -> NDArray[np.float32]:
    """(n,) 0..1. `prefixes`: which servers the operator allows. Raises NoTeacher, ServerDown, Invalid."""
    model = teachers.model(teacher)
    if model is not None:
        return _classified(model, texts, device, progress)
    url, variable = generators.allowed(teacher, prefixes)
    return _told(Server(url, "the teacher", generators.key(variable)), texts, progress)


def _classified(model: str, texts: Sequence[str], device: Device, progress: Progress) -> NDArray[np.float32]:
    """The greatest probability of a Hugging Face classifier; of one whose labels do not exclude each other the mean of
    their decisions', and of one with a single output its sigmoid. Only safetensors, and no code of its repository."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
        network = AutoModelForSequenceClassification.from_pretrained(
            model, use_safetensors=True, trust_remote_code=False, dtype=device.dtype
        )
    except (OSError, ValueError, KeyError) as error:
        words = str(error).partition("\n")[0]
        raise NoTeacher(f"the teacher {model} cannot be loaded as a classifier: {words}") from error
    network = network.eval().to(device.name)
    several = network.config.problem_type == "multi_label_classification"
    longest = min(TOKENS, tokenizer.model_max_length)
    ids = tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
    found = np.empty(len(texts), np.float32)
    done = 0
    with torch.inference_mode():
        for rows in by_length(np.array([len(one) for one in ids], np.int64), device.budget):
            given = tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt").to(
                device.name
            )
            z = network(**given).logits.float()
            if z.shape[1] == 1:
                sure = z[:, 0].sigmoid()
            elif several:
                sure = torch.maximum(z.sigmoid(), 1 - z.sigmoid()).mean(dim=1)
            else:
                sure = z.softmax(dim=1).amax(dim=1)
            found[rows] = sure.cpu().numpy()
            done += len(rows)
            progress(done, len(texts))
    return found


def _told(server: Server, texts: Sequence[str], progress: Progress) -> NDArray[np.float32]:
    """A server gets {"texts": [...]}, ASKED at most, and answers {"confidences": [...]}, a number from 0 to 1 each."""
    found = np.empty(len(texts), np.float32)
    try:
        for start in range(0, len(texts), ASKED):
            some = list(texts[start : start + ASKED])
            answer = server.ask("", {"texts": some})
            found[start : start + len(some)] = _numbers(answer, len(some), server.url)
            progress(start + len(some), len(texts))
    finally:
        server.close()
    return found


def _numbers(answer: bytes, count: int, url: str) -> list[float]:
    try:
        said = msgspec.json.decode(answer, type=dict[str, list[float]]).get("confidences", [])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        said = []
    if len(said) != count or not all(0 <= one <= 1 for one in said):
        raise NoTeacher(
            f'the teacher at {url} is to answer {{"confidences": [...]}} with {count} numbers from 0 to 1, one for '
            "each text; it answered otherwise"
        )
    return said
