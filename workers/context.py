"""What a worker process holds for as long as it lives."""

import os
import uuid
from typing import TYPE_CHECKING

from service.doorbell import Doorbell
from service.files import Files
from service.settings import Settings
from service.store.database import Database

if TYPE_CHECKING:
    from workers.encoder import Encoder
    from workers.learner import Fitted
    from workers.tagger import Tagger


class Context:
    """Store, files, doorbell, and the base models that stay loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.database)
        self.files = Files(settings.files, settings.files_url)
        self.doorbell = Doorbell(settings.redis_url)
        self.owner = f"{os.uname().nodename}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._encoders: dict[str, Encoder] = {}
        self._fitted: tuple[str, Fitted | Tagger] | None = None

    def encoder(self, model: str) -> "Encoder":
        """The base model, loaded once."""
        if model not in self._encoders:
            from workers.device import best
            from workers.encoder import Encoder  # torch is for GPU workers only

            self._encoders[model] = Encoder.load(model, *best())
        return self._encoders[model]

    def fitted(self, encoder: "Encoder", name: str) -> "Fitted | Tagger":
        """An adapter out of the file store; the last one stays in memory."""
        if self._fitted is None or self._fitted[0] != name:
            from workers import adapter

            self._fitted = name, adapter.load(encoder, self.files.path(name))[0]
        return self._fitted[1]
