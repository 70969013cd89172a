"""A demonstration world, built through the operations that people use."""
from collections.abc import Callable
from typing import Any


def load_demo(session: Any, *, units: int, instruments: int, seed: int, progress: Callable[[int], None]) -> list[Any]:
    raise RuntimeError("being written")
