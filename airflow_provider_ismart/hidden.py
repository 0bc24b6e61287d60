"""What Airflow must not show of an operator's rendered fields, which it stores and shows in its UI."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar


class Hidden:
    """A rendered value, which shows of what type it is and nothing else."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"<{type(self.value).__name__}, hidden>"


class HiddenRecipients(Hidden):
    """Rendered recipients, which show how many they are, too."""

    def __repr__(self) -> str:
        size = (
            f"{len(self.value):,} " if hasattr(self.value, "__len__") and not isinstance(self.value, str) else ""
        )
        return f"<{size}recipients as {type(self.value).__name__}, hidden>"


def shown(value: Any) -> Any:
    """Return what was hidden, or the value itself if it was not."""
    return value.value if isinstance(value, Hidden) else value


def hide_each(values: Any) -> Any:
    """Hide the values of a mapping, and show its keys; or the members of a sequence."""
    if isinstance(values, Mapping):
        return {key: _hide(value, Hidden) for key, value in values.items()}
    return [_hide(value, Hidden) for value in values]


class HidesFields:
    """An operator, as a base before Airflow's, that hides some of its fields once they are rendered."""

    #: The fields, and what each becomes; ``None`` stays.
    hidden_fields: ClassVar[Mapping[str, Callable[[Any], Any]]]

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        super()._do_render_template_fields(parent, template_fields, *args, **kwargs)  # type: ignore[misc]
        if parent is self:
            for field, hide in self.hidden_fields.items():
                setattr(self, field, _hide(getattr(self, field), hide))


def _hide(value: Any, hide: Callable[[Any], Any]) -> Any:
    return value if value is None or isinstance(value, Hidden) else hide(value)
