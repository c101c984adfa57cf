"""A design space from its name: a preset, or a variable of the user's own Python file."""

from __future__ import annotations

from blockfront.design_space.presets import SPACES
from blockfront.design_space.space import Space
from blockfront.errors import UsageError
from blockfront.python_file import is_file_reference, load_object


def load_space(
    ref: str, resolution: int | None = None, num_classes: int | None = None, task: str | None = None
) -> Space:
    """The design space that `ref` names: a preset, or `file.py:name`.

    A preset is built for the input and outputs given, else for its own; a file's space has its own input,
    outputs and task unless given. Raises `UsageError` for an unknown name and for a file that is missing, does not
    import, lacks the name or has something else under it.
    """
    if ".py" not in ref:
        preset = SPACES[ref]
        return preset.build(resolution or preset.resolution, num_classes or preset.num_classes).with_input(task=task)
    if not is_file_reference(ref):
        raise UsageError(f"design space {ref!r} lacks its variable; write file.py:name")
    space: Space = load_object(ref, lambda value: isinstance(value, Space), "design space")
    return space.with_input(resolution, num_classes, task)
