"""Verbs of the command line that need PyTorch; they join it through the entry-point group `postil.commands`."""

from typing import Annotated, Literal

import typer

from service.errors import Invalid, PostilError


def worker(
    queue: Annotated[
        Literal["gpu", "cpu", "sync"],
        typer.Argument(help="gpu encodes, trains and scores; cpu selects; sync speaks with Label Studio."),
    ],
) -> None:
    """Run one worker until SIGTERM or Ctrl-C. It needs POSTIL_REDIS_URL and the data folder of the API."""
    from service.settings import Settings

    settings = Settings.read()
    if not settings.redis_url:
        raise Invalid(
            "POSTIL_REDIS_URL is empty: set it to the Redis of the API, or start all with `postil up`",
            "POSTIL_REDIS_URL",
        )
    try:
        from workers import resident
    except ModuleNotFoundError as error:
        raise PostilError(f"a worker needs {error.name}: pip install 'postil[worker]'") from None
    resident.run(settings, queue)
