"""An adapter in other forms, for whoever has no PEFT: merged into its base model, or as an ONNX graph.

Each form is a folder with the base model's tokenizer, postil.json (`export` in it says what was checked), README.md
(the model card, with the lines that use this form), and

    merged   config.json, model.safetensors: the encoder with LoRA in its weights; head.safetensors
    onnx     model.onnx: input_ids and attention_mask (n, longest) to probabilities (n, C), for spans (n, longest, tags)

The head of whole texts reads two embeddings, with LoRA and without. A merged encoder has the one alone: the base model
stays needed beside it, and a text takes two passes, as with PEFT. The graph has both passes in it; parameters that LoRA
leaves alone are there once. For spans, and where LoRA had no part, there is one pass, and nothing else is needed.
"""

import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel

from service import model_card
from service.errors import Invalid, PostilError
from service.standalone import Form
from workers import adapter, lora, whole
from workers.encoder import Encoder
from workers.learner import Fitted
from workers.tagger import Tagger
from workers.whole import Batch, Floats, Whole

GRAPH = "model.onnx"
OPSET = 20
LARGE = 1_500_000_000
"""Bytes of parameters from which on they lie beside the graph: one file of protobuf holds two gigabytes."""


def merged(folder: Path, out: Path) -> str:
    """Write the adapter in `folder` to the empty folder `out`, merged; what there is to say of it.

    Raises Invalid where files are missing or do not fit, PostilError where what was written says something else.
    """
    encoder, fitted, manifest = _open(folder)
    with _quiet():
        network = AutoModel.from_pretrained(
            encoder.name, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
        network.load_state_dict(lora.merged(encoder, fitted.lora, fitted.recipe), strict=False)
        network.save_pretrained(out)
        again = Whole(encoder, fitted)
        again.merged = AutoModel.from_pretrained(out, dtype=torch.float32, use_safetensors=True).eval()
    shutil.copyfile(folder / adapter.HEAD, out / adapter.HEAD)

    def ask(batch: Batch) -> Floats:
        with torch.inference_mode():
            said: Floats = again(*map(torch.from_numpy, batch)).numpy()
        return said

    found = _checked(encoder, fitted, ask, "the merged model")
    _finish(folder, out, "merged", encoder, manifest, again, found)
    if again.base is None:
        return f"The base model is not needed beside it. {_agreed(found)}"
    return f"Beside it the base model {encoder.name} is needed: a text takes a pass of each. {_agreed(found)}"


def onnx(folder: Path, out: Path) -> str:
    """Write the adapter in `folder` to the empty folder `out`, as a graph; see `merged`."""
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch.onnx asks for it
    except ModuleNotFoundError as error:
        raise PostilError(f"a graph needs {error.name}: pip install 'postil[onnx]'") from None
    encoder, fitted, manifest = _open(folder)
    model = Whole(encoder, fitted).eval()
    batch, length = (torch.export.Dim(name) for name in ("batch", "length"))
    axes = {0: batch, 1: length}
    ids, mask = next(one for one in whole.batches(encoder, fitted.seed) if min(one[0].shape) > 1)
    size = sum(value.numel() * value.element_size() for value in model.parameters())
    with _quiet():
        try:
            program = torch.onnx.export(
                model,
                (torch.from_numpy(ids), torch.from_numpy(mask)),
                input_names=["input_ids", "attention_mask"],
                output_names=["probabilities"],
                dynamic_shapes={"input_ids": axes, "attention_mask": axes},
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        except Exception as error:
            words = str(error).strip().partition("\n")[0]
            raise PostilError(f"PyTorch makes no graph of {encoder.name}: {words}") from error
        assert program is not None  # it is None for the older exporter alone
        program.save(out / GRAPH, external_data=size > LARGE)
    session = onnxruntime.InferenceSession(out / GRAPH, providers=["CPUExecutionProvider"])

    def ask(batch: Batch) -> Floats:
        said: Floats = session.run(None, {"input_ids": batch[0], "attention_mask": batch[1]})[0]
        return said

    packages = {name: version(name) for name in ("onnx", "onnxscript", "onnxruntime")}
    found = _checked(encoder, fitted, ask, "the graph") | {"opset": OPSET, "packages": packages}
    _finish(folder, out, "onnx", encoder, manifest, model, found)
    passes = "one pass" if model.base is None else "two passes, with LoRA and without,"
    size = sum(path.stat().st_size for path in out.glob(f"{GRAPH}*"))
    return f"The graph makes {passes} of a text; it has {size / 1e6:,.1f} MB. {_agreed(found)}"


def _open(folder: Path) -> tuple[Encoder, Fitted | Tagger, dict[str, Any]]:
    try:
        base = json.loads((folder / adapter.MANIFEST).read_text("utf-8"))["lineage"]["base"]["model"]
    except (OSError, ValueError, KeyError) as error:
        raise Invalid(f"{folder} holds no whole adapter ({error}): fetch it again") from error
    encoder = Encoder.load(base)
    return encoder, *adapter.load(encoder, folder)


def _checked(
    encoder: Encoder, fitted: Fitted | Tagger, ask: Callable[[Batch], Floats], what: str
) -> dict[str, Any]:
    """What goes into postil.json."""
    worst = whole.check(encoder, fitted, ask, what)
    return {"max_difference": worst, "tolerance": whole.TOLERANCE, "batches": [*whole.SIZES]}


def _agreed(found: dict[str, Any]) -> str:
    return f"Probabilities are Postil's own to within {found['max_difference']:.1g}."


def _finish(
    folder: Path,
    out: Path,
    form: Form,
    encoder: Encoder,
    manifest: dict[str, Any],
    model: Whole,
    found: dict[str, Any],
) -> None:
    encoder.tokenizer.save_pretrained(out)
    told = manifest | {"export": {"form": form, **found}}
    (out / adapter.MANIFEST).write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
    card = folder / model_card.NAME
    if card.exists():
        once = model.base is None
        text = model_card.of_form(card.read_text("utf-8"), manifest["problem"], form, once)
        (out / model_card.NAME).write_text(text, "utf-8")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what transformers and the exporter say on their way: of packages that nobody needs, and of themselves."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
