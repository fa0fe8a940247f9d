"""The Python client: one installation's API, for programs and notebooks, and for the command line.

```
from service.client import Client

with Client.here() as postil:
    postil.create(name="topics", labels=["sport", "science"], model="sentence-transformers/all-MiniLM-L6-v2")
    postil.add_examples("topics", [{"text": "The match was postponed."}])
```
It stands here and not at the top, since of the project's three packages the service is the one that has the API.
"""

from service.client.client import Client, Unreachable

__all__ = ["Client", "Unreachable"]
