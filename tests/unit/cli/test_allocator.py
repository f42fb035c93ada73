"""Freed memory goes back to the system, also after a large block was freed once."""

import platform
import subprocess
import sys

import pytest

MAPPED = """
import ctypes
from tallystick.cli.allocator import give_memory_back
{settle}
c = ctypes.CDLL(None)
c.malloc.restype, c.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
c.free(c.malloc(ctypes.c_size_t(8 << 20)))
inside = lambda block: any(
    int(low, 16) <= block < int(high, 16) and "[heap]" in line
    for line in open("/proc/self/maps")
    for low, high in [line.split()[0].split("-")]
)
print(inside(c.malloc(ctypes.c_size_t(4 << 20))))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
@pytest.mark.parametrize(
    ("settle", "on_heap"), [("", "True"), ("assert give_memory_back()", "False")]
)
def test_a_large_block_is_mapped_on_its_own_though_a_larger_one_was_freed(
    settle: str, on_heap: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MAPPED.format(settle=settle)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert done.stdout.strip() == on_heap
