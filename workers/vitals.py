"""How a worker process is: memory, its own and its GPUs'."""

import sys
import threading
import time

from service.doorbell import VITALS_S, Vitals
from service.memory import told
from workers.context import Context

EVERY_S = VITALS_S / 3


def tell(context: Context, queue: str) -> None:
    """A thread says it every EVERY_S, for as long as the process lives."""

    def run() -> None:
        while True:
            context.doorbell.say(Vitals(context.owner, queue, memory()))
            time.sleep(EVERY_S)

    threading.Thread(target=run, name="vitals", daemon=True).start()


def memory() -> dict[str, int]:
    """Bytes, as in `Vitals`; nothing of what this system does not tell."""
    resident = told("VmRSS")
    found = {} if resident is None else {"resident": resident}
    torch = sys.modules.get("torch")  # only where this worker has it anyway
    if torch is not None and torch.cuda.is_available():
        for device in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(device)
            its = {"gpu": torch.cuda.memory_reserved(device), "gpu_free": free, "gpu_total": total}
            found |= {kind: found.get(kind, 0) + bytes_ for kind, bytes_ in its.items()}
    return found
