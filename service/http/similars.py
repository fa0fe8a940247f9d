"""Labeled examples like one, for whoever looks up how the like was answered."""

from service import similar
from service.http.api import Api
from service.similar import Similar


def show(api: Api, c: str, key: str) -> Similar:
    """The labeled examples that are most like one, by the base model; 409 for one that is asked blind."""
    with api.reading(c) as (connection, campaign):
        return similar.find(connection, api.files, campaign, key)
