"""How the allocator of Polars treats memory that is free again."""

from collections.abc import MutableMapping

ALLOCATOR_SETTING = "_RJEM_MALLOC_CONF"
SOON = "narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0"


def return_memory_soon(environment: MutableMapping[str, str]) -> None:
    """Let threads share one heap whose free memory goes back to the system after a second.

    Works before the first import of Polars only. By default each thread has heaps of its own and
    keeps what is free for ten seconds: a peak of 290 MB at 369,099 reviews instead of 240 MB.
    Giving it back at once saves another 20 MB for a sixth more CPU. A setting of the operator's
    own wins.
    """
    environment.setdefault(ALLOCATOR_SETTING, SOON)
