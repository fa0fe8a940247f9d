"""How a worker process is: memory, its own and its GPU's."""

import sys
import threading
from pathlib import Path

from service.doorbell import VITALS_S, Vitals
from workers.context import Context

EVERY_S = VITALS_S / 3


def tell(context: Context, queue: str) -> threading.Event:
    """A thread says it every EVERY_S, until the event that is returned is set."""
    over = threading.Event()

    def run() -> None:
        while True:
            context.doorbell.say(Vitals(context.owner, queue, memory()))
            if over.wait(EVERY_S):
                return

    threading.Thread(target=run, name="vitals", daemon=True).start()
    return over


def memory() -> dict[str, int]:
    """Bytes, as in `Vitals`; nothing of what this system does not tell."""
    found = {}
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS:")]
        found["resident"] = int(line.split()[1]) * 1024
    torch = sys.modules.get("torch")  # only where this worker has it anyway
    if torch is not None and torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        found |= {"gpu": torch.cuda.memory_reserved(), "gpu_free": free, "gpu_total": total}
    return found
