"""The faces: a file here is a face, its name is the name in the configuration, and it exports one public name, `open_face`."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from simulators.errors import SimulatorError
from simulators.face import Face, Stage


def face_names() -> list[str]:
    """The faces that there are."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")


def load_face(name: str) -> Callable[[Any, Stage], Awaitable[Face]]:
    """The `open_face` of the face with this name; it takes a block of the settings (`Server`, `Broker`) and a stage.

    Raises:
        SimulatorError: there is no such face; the message lists them.
    """
    if name not in face_names():
        raise SimulatorError(f"no face {name!r}; there are {', '.join(face_names())}")
    return cast(Callable[[Any, Stage], Awaitable[Face]], import_module(f"simulators.faces.{name}").open_face)
