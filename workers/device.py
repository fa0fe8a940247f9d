"""The processors the learner computes on, and what suits them."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Device:
    """A torch device, the type weights are held in there, and the padded tokens of one scoring batch."""

    name: str
    dtype: torch.dtype
    budget: int


CPU = Device("cpu", torch.float32, 2_048)


def best() -> tuple[Device, ...]:
    """Every GPU that CUDA_VISIBLE_DEVICES leaves, else the CPU; bfloat16 where it is faster than float32.

    On a CPU that is where it has AMX tiles: AVX-512 alone computes bfloat16 at half float32's speed.
    """
    if torch.cuda.is_available():
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        dtype = torch.bfloat16 if bf16 else torch.float32
        return tuple(Device(f"cuda:{number}", dtype, 65_536) for number in range(torch.cuda.device_count()))
    amx = bool(torch.cpu.get_capabilities().get("amx_bf16", False))
    return (Device("cpu", torch.bfloat16, CPU.budget) if amx else CPU,)
