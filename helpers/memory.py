"""Keep memory that a training step has freed for the next step."""

import ctypes

# The names of glibc's options, from its malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_BLOCK = 2**30  # bytes; above this a block is given back at once, as it would be anyway
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
        library = ctypes.CDLL(None)
        kept = library.mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        return bool(kept and library.mallopt(M_TRIM_THRESHOLD, NEVER_TRIM))
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return False
