"""What helps against the growth of memory that is not held: by what it is, and whether malloc gives it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.growth.nature import Nature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.diagnosis.message_steps import Step

GIVE_BACK: Step = (
    (
        "let malloc give back at the end of each fold, or of every few epochs, what it keeps, as telemetry.settle() does; it is not leaked,"
        " and what is allocated next is taken from it first"
    ),
    None,
)
_FEWER_ARENAS: Step = (
    (
        "give malloc fewer arenas and a fixed threshold: each thread leaves free pieces in its own arena, and malloc"
        " trims less the larger the blocks are that it was given back"
    ),
    "MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072",
)
_OTHER_ALLOCATOR: Step = (
    "or another allocator, which gives memory back by itself; grep jemalloc /proc/PID/maps shows that it took",
    "LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=background_thread:true,dirty_decay_ms:1000",
)
_CLOSE_FILES: Step = (
    (
        "unmap files that are no longer read; by themselves their pages end no run, for the kernel takes them back"
        " when it needs memory"
    ),
    None,
)
_UNLINK_SHARED: Step = (
    "close and unlink shared memory when it is no longer used, also that of its data loader's workers",
    "ls -l /dev/shm",
)
NATURE_STEPS: Mapping[tuple[Nature, bool], tuple[Step, ...]] = {
    (Nature.KEPT_BY_MALLOC, True): (GIVE_BACK, _OTHER_ALLOCATOR),
    (Nature.KEPT_BY_MALLOC, False): (_FEWER_ARENAS, _OTHER_ALLOCATOR),
    (Nature.FILE_PAGES, False): (_CLOSE_FILES,),
    (Nature.SHARED_MEMORY, False): (_UNLINK_SHARED,),
}
"""What helps against the growth of RSS, by what it is and whether malloc gives it back; others are as of old."""
