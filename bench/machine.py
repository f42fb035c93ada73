"""What a figure was measured on; without it no figure leaves the bench."""

import os
import platform
from pathlib import Path


def machine() -> dict[str, object]:
    """Return processor, cores, memory in bytes, kernel, Python and the load average by now."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": pages,
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average_before": list(os.getloadavg()),
    }


def _cpu_model() -> str:
    """Return the processor's name where /proc tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
