"""The resident scorer: a worker that says at any time what a campaign's adapter makes of a text, beside all training.

One thread on the CPU, whatever GPUs there are. Nothing is loaded before somebody asks (86 MiB; 785 with
all-MiniLM-L6-v2); then base models stay, and the last few adapters, merged and ready to score. Who asks for little goes
first: a long request is done in slices.
"""

import logging
import os
import signal
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.exceptions import RedisError

from service import doorbell, logs, tracing
from service.errors import NotFound, PostilError
from service.records import Campaign
from service.scorer import QUEUE, Request, Said, answer, take
from service.settings import Settings
from service.store import campaigns, rounds
from service.vocabulary import Vocabulary
from workers import vitals
from workers.context import Context

if TYPE_CHECKING:
    from workers.encoder import Encoder, Network
    from workers.learner import Fitted
    from workers.tagger import Tagger

FEW = 4
"""Adapters that are kept, each with the merged layers' weights of its own: 43 MB for all-MiniLM-L6-v2."""
SLICE = 32
"""Texts scored before others have their turn."""
IDLE_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Ready:
    """An adapter that was loaded, with its base model."""

    encoder: "Encoder"
    base: "Network"
    """The base model without it."""
    fitted: "Fitted | Tagger"
    network: "Network | None"
    """The base model with it; None where LoRA has no part."""


@dataclass
class Work:
    """A request that was taken up."""

    id: str
    request: Request
    ready: Ready
    campaign: Campaign
    label_changes: int
    """As far as the adapter knows them."""
    done: list[dict[str, Any]] = field(default_factory=list)

    @property
    def left(self) -> int:
        return len(self.request.texts) - len(self.done)


class Scorer:
    """What is held in memory, and the requests that were taken up."""

    def __init__(self, context: Context, redis: Redis, few: int = FEW) -> None:
        self.context, self.redis, self.few = context, redis, few
        self.held: OrderedDict[str, Ready] = OrderedDict()
        """By the adapter's folder, the last used one at the end."""
        self.works: list[Work] = []

    def run(self, over: Callable[[], bool]) -> None:
        """Answer requests until `over`; whoever waits then is told to try again."""
        while not over():
            try:
                self.turn()
            except RedisError as error:
                log.warning("Redis does not answer: %s", error)
        for work in self.works:
            answer(self.redis, work.id, Said(error="the scorer was stopped meanwhile: try again"))

    def turn(self, wait_s: float = IDLE_S) -> None:
        """Take up what came in, waiting for it where there is nothing to do; then one slice of the shortest request."""
        while taken := take(self.redis, 0 if self.works else wait_s):
            self._begin(*taken)
        if not self.works:
            return
        work = min(self.works, key=lambda one: one.left)
        try:
            some = work.request.texts[len(work.done) :][:SLICE]
            work.done += say(work.ready, work.campaign, work.label_changes, some)
        except Exception as error:  # whatever it is, the next request is another
            log.exception("a request broke down")
            self._end(work, Said(error=f"the scorer broke down on this ({error}): its log has more"))
            return
        if not work.left:
            self._end(work, Said(work.done, unsure(work.campaign, work.label_changes)))

    def _begin(self, id_: str, request: Request) -> None:
        try:
            with self.context.database.reading() as connection:
                campaign = campaigns.get(connection, request.campaign)
                round_ = rounds.get(connection, campaign.id, request.round)
            if round_.adapter is None:
                raise NotFound(f"round {request.round} of campaign {campaign.name!r} has no adapter")
            ready = self._ready(campaign.model, round_.adapter)
        except Exception as error:  # as above
            log.exception("a request cannot be taken up")
            words = str(error) if isinstance(error, PostilError) else f"{error}: the scorer's log has more"
            answer(self.redis, id_, Said(error=words))
            return
        self.works.append(Work(id_, request, ready, campaign, round_.label_changes))

    def _end(self, work: Work, said: Said) -> None:
        self.works.remove(work)
        answer(self.redis, work.id, said)

    def _ready(self, model: str, adapter: str) -> Ready:
        if adapter in self.held:
            self.held.move_to_end(adapter)
            return self.held[adapter]
        made = load(self.context, model, adapter, [*self.held.values()])
        self.held[adapter] = made
        while len(self.held) > self.few:
            self.held.popitem(last=False)
        return made


def load(context: Context, model: str, adapter: str, held: list[Ready]) -> Ready:
    """Read an adapter, and its base model where none of those `held` is of it."""
    import torch

    torch.set_num_threads(1)
    from workers import adapter as adapters
    from workers import lora
    from workers.encoder import Encoder
    from workers.learner import Fitted

    log.info("loading %s", adapter)
    known = next((one for one in held if one.encoder.name == model), None)
    encoder = Encoder.load(model) if known is None else known.encoder
    base = encoder.scorer() if known is None else known.base
    fitted, _ = adapters.load(encoder, context.files.path(adapter))
    frozen = isinstance(fitted, Fitted) and fitted.frozen
    network = None if frozen else lora.network(encoder, fitted.lora, fitted.recipe)
    return Ready(encoder, base, fitted, network)


def say(ready: Ready, campaign: Campaign, label_changes: int, texts: list[str]) -> list[dict[str, Any]]:
    """What the adapter says of the texts, as in `service.scorer.Said`."""
    from workers import learner, tagger
    from workers.tagger import Tagger

    encoder, fitted, labels = ready.encoder, ready.fitted, campaign.labels
    columns = Vocabulary.of(campaign).columns(label_changes)
    if isinstance(fitted, Tagger):
        spans = tagger.predict(encoder, fitted, texts, network=ready.network).spans.renamed(columns)
        said: list[dict[str, Any]] = [{"spans": []} for _ in texts]
        for (at, start, end, one), sure in zip(spans.rows.tolist(), spans.confidence.tolist(), strict=True):
            span = {"start": start, "end": end, "label": labels[one], "confidence": round(sure, 4)}
            said[at]["spans"].append(span)
        return said
    tokens = encoder.tokenize(texts)
    base = encoder.embed(tokens, network=ready.base)
    found = learner.predict(encoder, fitted, tokens, base, network=ready.network).probabilities
    p = columns.shares(campaign.problem, found)
    shares = [
        {label: round(share, 4) for label, share in zip(labels, row, strict=True)} for row in p.tolist()
    ]
    if fitted.thresholds is None:
        best = [max(row, key=row.__getitem__) for row in shares]
        return [
            {"label": label, "confidence": row[label], "probabilities": row}
            for label, row in zip(best, shares, strict=True)
        ]
    decided = p >= columns.thresholds(fitted.thresholds)
    return [
        {"labels": [label for label, is_one in zip(labels, its, strict=True) if is_one], "probabilities": row}
        for its, row in zip(decided.tolist(), shares, strict=True)
    ]


def unsure(campaign: Campaign, label_changes: int) -> list[str]:
    columns = Vocabulary.of(campaign).columns(label_changes)
    return [campaign.labels[at] for at in sorted(columns.unsure)]


def run(settings: Settings) -> None:
    """Answer requests until SIGTERM or SIGINT."""
    logs.begin(settings.log)
    tracing.begin(f"postil-worker-{QUEUE}")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # GPUs are for those that train
    context = Context(settings)
    vitals.tell(context, QUEUE)
    stopping = False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    log.info("scorer at work")
    Scorer(context, doorbell.connect(settings.redis_url, patient=True)).run(lambda: stopping)
    tracing.end()
