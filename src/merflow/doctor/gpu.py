"""Check of this machine's GPUs: torch must see them and compute on them."""

import shutil
from pathlib import Path

from merflow.doctor.findings import Finding

_DRIVER = Path("/proc/driver/nvidia/version")


def check_gpu(*, driver: Path = _DRIVER) -> Finding:
    """Multiply two matrices on every GPU, and compare with the CPU.

    Args:
        driver: File in which NVIDIA's driver states its version.
    """
    import torch

    installed = driver.is_file() or shutil.which("nvidia-smi") is not None
    built = torch.version.cuda or torch.version.hip
    if not torch.cuda.is_available():
        if not installed:
            return Finding("not configured", "this machine has no GPU; steps on a cluster have their own")
        if not built:
            return Finding(
                "wrong",
                f"this machine has NVIDIA's driver, but torch {torch.__version__} is a build for CPUs",
                "install torch's build for CUDA",
            )
        return Finding(
            "wrong",
            f"torch {torch.__version__} for CUDA {built} does not see the GPU",
            "install a driver that is new enough for this CUDA, and check CUDA_VISIBLE_DEVICES",
        )
    left = torch.arange(16.0).reshape(4, 4)
    for number in range(torch.cuda.device_count()):
        try:
            product = (left.to(f"cuda:{number}") @ left.to(f"cuda:{number}")).cpu()
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            return Finding("wrong", f"GPU {number} cannot compute: {reason}", "look for its errors: nvidia-smi -q")
        if not torch.allclose(product, left @ left):
            return Finding("wrong", f"GPU {number} computes wrong results", "take it out of service")
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return Finding("ok", f"{', '.join(names)}, with torch {torch.__version__} for {built}")
