"""What becomes of the memory of temporaries."""

from __future__ import annotations

import functools

import numpy as np


@functools.cache
def keep_freed() -> None:
    """Let the C library keep what is freed for the next block, where it is glibc; elsewhere this does nothing.

    Freeing an allocation of its own mapping (of at most 32 MiB) makes that size the one below which glibc serves from
    its heap, and twice that what it leaves free at the end of it (mallopt(3), M_MMAP_THRESHOLD). Otherwise each
    temporary of a block may be given back to the system and faulted in anew, which was found to double the time. The
    memory here is never touched.
    """
    np.empty(2**22 - 2**13)
