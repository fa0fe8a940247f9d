"""The lines of Python that use an adapter without this project, as its card and the documentation show them."""

from typing import Literal

Form = Literal["adapter", "merged", "onnx"]
"""PEFT's own format, and what `workers.handover` makes of it."""
ENOUGH: dict[Form, str] = {
    "adapter": "transformers, peft and safetensors are enough; `adapter` is this folder.",
    "merged": "transformers and safetensors are enough; `merged` is this folder: the encoder has LoRA in its weights.",
    "onnx": "onnxruntime and a tokenizer are enough; `onnx` is this folder. What was checked stands in `postil.json`.",
}
"""What has to be installed, and which folder the lines read."""

_OPEN = """\
import json, pathlib, torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

folder, texts = pathlib.Path("adapter"), ["The first text.", "And another one."]
card, head = json.loads((folder / "postil.json").read_text("utf-8")), load_file(folder / "head.safetensors")
base = card["lineage"]["base"]["model"]
tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModel.from_pretrained(base)
model = PeftModel.from_pretrained(model, folder).eval()
"""
_OPEN_MERGED = """\
import json, pathlib, torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

folder, texts = pathlib.Path("merged"), ["The first text.", "And another one."]
card, head = json.loads((folder / "postil.json").read_text("utf-8")), load_file(folder / "head.safetensors")
tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
"""
_READ = """\
batch = tokenizer(texts, truncation=True, max_length=card["max_length"], padding=True, return_tensors="pt")
mask = batch["attention_mask"].unsqueeze(2)
mean = lambda states: torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
"""
_TWICE = """\
embed = torch.no_grad()(lambda: mean(model(**batch).last_hidden_state))
adapted = embed()
with model.disable_adapter():
    both = torch.cat([adapted, embed()], dim=1)
"""
_TWICE_MERGED = """\
plain = AutoModel.from_pretrained(card["lineage"]["base"]["model"]).eval()
with torch.no_grad():
    both = torch.cat([mean(each(**batch).last_hidden_state) for each in (model, plain)], dim=1)
"""
_ONCE_MERGED = """\
with torch.no_grad():
    both = mean(model(**batch).last_hidden_state).repeat(1, 2)
"""
_ONNX = """\
import json, pathlib
from onnxruntime import InferenceSession
from transformers import AutoTokenizer

folder, texts = pathlib.Path("onnx"), ["The first text.", "And another one."]
card, tokenizer = json.loads((folder / "postil.json").read_text("utf-8")), AutoTokenizer.from_pretrained(folder)
session = InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
batch = tokenizer(texts, truncation=True, max_length=card["max_length"], padding=True, return_tensors="np")
p = session.run(None, {name: batch[name] for name in ("input_ids", "attention_mask")})[0]
"""
_ONNX_SPANS = """\
import json, pathlib, torch
from onnxruntime import InferenceSession
from transformers import AutoTokenizer

folder, texts = pathlib.Path("onnx"), ["The first text.", "And another one."]
card, tokenizer = json.loads((folder / "postil.json").read_text("utf-8")), AutoTokenizer.from_pretrained(folder)
session = InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
batch = tokenizer(texts, truncation=True, max_length=card["max_length"], padding=True, return_tensors="np",
                  return_offsets_mapping=True)
places, tags, never = batch.pop("offset_mapping").tolist(), card["tags"], float("-inf")
logits = torch.tensor(session.run(None, {name: batch[name] for name in ("input_ids", "attention_mask")})[0]).log()
"""
_LOGITS = """\
logits = card["scale"] * (both @ head["weight"].T + head["bias"]) / card["temperature"]
"""
_SINGLE = """\
p = logits.softmax(dim=1)
"""
_BEST = """\
found = [card["labels"][best] for best in p.argmax(1)]
print(found)
"""
_MULTI = """\
p = logits.sigmoid()
"""
_DECIDED = """\
at = card["thresholds"]
found = [[name for name, one, least in zip(card["labels"], row, at) if one >= least] for row in p.tolist()]
print(found)
"""
_TAGS = """\
batch = tokenizer(texts, truncation=True, max_length=card["max_length"], padding=True, return_tensors="pt",
                  return_offsets_mapping=True)
places, tags, never = batch.pop("offset_mapping").tolist(), card["tags"], float("-inf")
with torch.no_grad():
    states = torch.nn.functional.normalize(model(**batch).last_hidden_state, dim=2)
logits = card["scale"] * (states @ head["weight"].T + head["bias"]) / card["temperature"]
"""
_SPANS = """\
# Which tag (column) may follow which (row): from word to word, and within one.
free = torch.tensor([[0 if t[0] != "I" or t[2:] == b[2:] else never for t in tags] for b in tags])
tied = torch.tensor([[0 if t == b == "O" or t[0] == "I" and t[2:] == b[2:] else never for t in tags] for b in tags])

def spans(text, offsets, logits):
    tokens, back, score, found = [], [], None, []
    for (start, end), now in zip(offsets, logits.log_softmax(dim=1).double()):
        part = text[start:end]
        start, end = start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())
        if start >= end:
            continue
        if tokens:
            last, border = tokens[-1][1], text[max(0, start - 1):start + 1]
            within = card["words"] and start == last and all(c.isdigit() or c.lower() != c.upper() for c in border)
            score, before = (score[:, None] + (tied if start < last or within else free)).max(dim=0)
            back.append(before)
        score = now + (score if tokens else free[0])
        tokens.append((start, end))
    best = [int(score.argmax())] if tokens else []
    for before in reversed(back):
        best.insert(0, int(before[best[0]]))
    for (start, end), tag in zip(tokens, (tags[one] for one in best)):
        if tag[0] == "I":
            found[-1][1] = end
        elif tag[0] == "B":
            found.append([start, end, tag[2:]])
    return found

found = [spans(*one) for one in zip(texts, places, logits)]
print(found)
"""


def use(problem: str, form: Form = "adapter", frozen: bool = False) -> str:
    """Python that asks an adapter in a folder which is named as its form is, without this project.

    `frozen`: LoRA has no part in it, so that a merged one is the base model.
    """
    if problem == "spans":
        opens = {"adapter": _OPEN + _TAGS, "merged": _OPEN_MERGED + _TAGS, "onnx": _ONNX_SPANS}
        return opens[form] + _SPANS
    made, found = (_SINGLE, _BEST) if problem == "single_label" else (_MULTI, _DECIDED)
    twice = _OPEN_MERGED + _READ + (_ONCE_MERGED if frozen else _TWICE_MERGED)
    opens = {"adapter": _OPEN + _READ + _TWICE, "merged": twice, "onnx": _ONNX}
    return opens[form] + ("" if form == "onnx" else _LOGITS + made) + found
