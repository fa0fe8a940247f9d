"""From the environment's settings to the API, loading HTTP only when a verb needs it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.cli.client import Api


def connect() -> "Api":
    """The API that the environment names (`POSTIL_URL`, `POSTIL_TOKEN`, `POSTIL_DATA`)."""
    from service.cli.client import Api
    from service.settings import Settings

    return Api.of(Settings.read())
