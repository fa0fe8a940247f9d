"""A real Valkey and API, as for the command line."""

from tests.cli.conftest import api, stack

__all__ = ["api", "stack"]
