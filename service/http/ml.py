"""Label Studio's ML backend protocol: a campaign as a model that one connects on a project's settings page.

Its user is anything, its password a token: a viewer's for predictions, an engineer's for training. Label Studio's own
webhook to a model comes without either, and is a hint.
"""

from typing import Any

import msgspec
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service import blind
from service.errors import Invalid, NotFound, Unauthorized
from service.http import predicting, rounds
from service.http.api import Api
from service.http.auth import permit
from service.http.endpoint import read_body
from service.http.limits import Buckets
from service.http.webhooks import action, wake
from service.label_studio import live
from service.label_studio.live import Prediction
from service.scorer import MOST_TEXTS
from service.store import rounds as store
from service.store.tokens import Token

MAX_BODY_BYTES = 32 << 20
MOST_TASKS = 5_000
HINTS_A_SECOND, HINTS = 1.0, 10.0
"""Of one campaign that are passed on, on the average and at once; polling sees what others would have told."""
_hints = Buckets(HINTS_A_SECOND, HINTS)


class Up(msgspec.Struct, frozen=True):
    status: str
    model_class: str


class Version(msgspec.Struct, frozen=True):
    model_version: str


class Versions(msgspec.Struct, frozen=True):
    versions: list[str]


class Results(msgspec.Struct, frozen=True):
    results: list[Prediction]


class Heard(msgspec.Struct, frozen=True):
    """The round that was begun, as `service.rounds.ask.Asked` has it; null where it was a hint."""

    round: int | None = None
    changes: int | None = None


class _Task(msgspec.Struct, frozen=True):
    id: Any = None
    data: Any = None

    def field(self, name: str) -> Any:
        return self.data.get(name) if isinstance(self.data, dict) else None


class _Params(msgspec.Struct, frozen=True):
    context: Any = None


class _Wanted(msgspec.Struct, frozen=True):
    tasks: list[_Task]
    params: _Params | None = None


def health(api: Api, c: str) -> Up:
    """Whether there is such a campaign, and the token is for it."""
    with api.reading(c):
        return Up("UP", "Postil")


def setup(api: Api, c: str) -> Version:
    """Which version answers now. What Label Studio tells of its project, a token among it, is not read."""
    return Version(_version(api, c))


def versions(api: Api, c: str) -> Versions:
    """The versions that can be asked: the one that answers now."""
    return Versions([_version(api, c)])


async def predict(api: Api, c: str, request: Request) -> Results:
    """Pre-annotations of tasks, in the order asked, empty for blind ones. With `params.context` spans that touch what
    somebody marked."""
    body = msgspec.json.decode(await read_body(request, MAX_BODY_BYTES), type=_Wanted)
    if len(body.tasks) > MOST_TASKS:
        raise Invalid(f"{len(body.tasks):,} tasks: {MOST_TASKS:,} are the most at a time", "tasks")
    return await predicting.in_turn(api, lambda: _predict(api, c, body))


async def webhook(api: Api, c: str, request: Request) -> Response:
    """START_TRAINING begins a round, which takes an engineer's token; whatever else is a hint, as our own webhook's."""
    what = await action(request)
    if what != "START_TRAINING":
        passed_on = await run_in_threadpool(_exists, api, c) and not _hints.take(c)
        return _heard(Heard(), BackgroundTask(wake, api, c, what.endswith("_DELETED")) if passed_on else None)
    token: Token | None = getattr(request.state, "token", None)
    if token is None:
        raise Unauthorized(
            "to start training takes basic authentication, with an engineer's token for a password"
        )
    path = await permit(api, token, "engineer", {"c": c})
    asked = await run_in_threadpool(rounds.begin, api, path["c"])
    return _heard(Heard(asked.round, asked.changes))


def _heard(what: Heard, then: BackgroundTask | None = None) -> Response:
    return JSONResponse(msgspec.to_builtins(what), background=then)


def _version(api: Api, c: str) -> str:
    with api.reading(c) as (connection, campaign):
        active = store.active(connection, campaign)
    return live.version(0 if active is None else active.number, len(campaign.label_changes))


def _predict(api: Api, c: str, wanted: _Wanted) -> Results:
    campaign, round_ = predicting.adapter(api, c)
    texts = [task.field("text") for task in wanted.tasks]
    with api.database.reading() as connection:
        ids, keys = [task.id for task in wanted.tasks], [task.field("ext_id") for task in wanted.tasks]
        hidden = blind.tasks(connection, campaign, ids, keys, texts)
    nothing = Prediction([], 0.0, live.version(round_, len(campaign.label_changes)))
    results = [nothing] * len(texts)
    asked = [at for at, text in enumerate(texts) if isinstance(text, str) and text.strip() and not hidden[at]]
    context = wanted.params.context if wanted.params else None
    for start in range(0, len(asked), MOST_TEXTS):
        some = asked[start : start + MOST_TEXTS]
        said = predicting.ask(api, campaign, round_, [texts[at] for at in some])
        for at, one in zip(some, live.predictions(campaign, said, round_), strict=True):
            touched = live.touching(one.result, context) if campaign.problem == "spans" else one.result
            results[at] = msgspec.structs.replace(one, result=touched)
    return Results(results)


def _exists(api: Api, c: str) -> bool:
    try:
        with api.reading(c):
            return True
    except NotFound:
        return False
