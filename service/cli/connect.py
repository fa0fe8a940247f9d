"""From the environment's settings to the API, loading HTTP only when a verb needs it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.client import Client


def connect() -> "Client":
    """The API that the environment names (`POSTIL_URL`, `POSTIL_TOKEN`, `POSTIL_DATA`)."""
    from service.client import Client

    return Client.here()
