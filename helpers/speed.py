"""What makes a training faster and changes none of its numbers."""

import ctypes

# The names of glibc's options, from its malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Bytes; above this a block is given back at once, as it would be anyway. Before its version 2.35
# glibc takes nothing above the second number.
LARGEST_BLOCKS = (2**30, 2**25)
NEVER_TRIM = 2**31 - 1


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed memory instead of giving it back to the system.

    Every step of a training on the CPU asks for the same large blocks and frees them again. By
    default glibc gives them back, and each new block then costs a page fault for every 4 kB. Kept
    blocks are there at once (glibc manual, "Malloc Tunable Parameters"). The numbers that come out
    do not change.

    Returns:
        Whether it could be asked: only glibc, on Linux, can.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
        kept = any(mallopt(M_MMAP_THRESHOLD, size) for size in LARGEST_BLOCKS)
        return bool(mallopt(M_TRIM_THRESHOLD, NEVER_TRIM) and kept)
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return False
