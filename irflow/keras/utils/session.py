"""`clear_session`."""

from __future__ import annotations

from irflow.keras import config, random
from irflow.keras.engine.naming import reset_names


def clear_session(free_memory: bool = True) -> None:
    """Forget the names that were given, the global random state and the dtype policy.

    Args:
        free_memory: taken; models free their memory when they are gone.
    """
    del free_memory
    reset_names()
    random.reset_global_seed_generator()
    config.reset_dtype_policy()
