"""Whether a base model can be loaded on this machine."""

from service.errors import Invalid
from workers.encoder import Encoder


def problem(model: str) -> str:
    """Why it cannot, in words; '' where it can. It is loaded whole, into main memory, and let go again."""
    try:
        Encoder.load(model)
    except Invalid as error:
        return str(error)
    return ""
