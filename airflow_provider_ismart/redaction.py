"""Redact rendered fields, which Airflow stores and shows in its UI."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from airflow_provider_ismart.exceptions import ISmartUnsupportedAirflowError


class Redacted:
    """Hide a rendered value: its ``repr`` shows only the type."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"<{type(self.value).__name__}, hidden>"


class RedactedRecipients(Redacted):
    """Hide rendered recipients or excluded numbers, but show how many there are."""

    def __repr__(self) -> str:
        has_rows = hasattr(self.value, "__len__") and not isinstance(self.value, (str, Mapping))
        size = f"{len(self.value):,} " if has_rows else ""
        return f"<{size}recipients as {type(self.value).__name__}, hidden>"


def revealed(value: Any) -> Any:
    """Return the value behind a redaction, or the value itself if it is not redacted."""
    return value.value if isinstance(value, Redacted) else value


def redact_each(values: Any) -> Any:
    """Redact the values of a mapping but not its keys, or the items of a sequence."""
    if isinstance(values, Mapping):
        return {key: _redact(value, Redacted) for key, value in values.items()}
    return [_redact(value, Redacted) for value in values]


class RedactsFields:
    """Redact some fields of an operator as soon as Airflow has rendered them.

    List this mixin before Airflow's base class. It overrides a private method of Airflow, because there is no
    public one. A new version can change that method, so an operator calls :meth:`check_redaction` first of all.
    """

    #: How to redact each field; ``None`` stays ``None``.
    redacted_fields: ClassVar[Mapping[str, Callable[[Any], Any]]]

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        template_fields = list(template_fields)
        super()._do_render_template_fields(parent, template_fields, *args, **kwargs)  # type: ignore[misc]
        if parent is self:
            self._redact_fields(template_fields)

    def render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        """Render the fields, and fail before Airflow stores a field that was not redacted.

        Airflow does not call this method for mapped tasks.

        :raises ISmartUnsupportedAirflowError: a field was not redacted.
        """
        super().render_template_fields(*args, **kwargs)  # type: ignore[misc]
        self._fail_unless_redacted()

    def check_redaction(self, context: Mapping[str, Any]) -> None:
        """Check the redaction of a task that Airflow runs. Outside Airflow, nothing is stored.

        :raises ISmartUnsupportedAirflowError: a field was not redacted.
        """
        if context.get("task") is self:
            self._fail_unless_redacted()

    def _redact_fields(self, fields: Iterable[str]) -> None:
        for field in fields:
            if field in self.redacted_fields:
                setattr(self, field, _redact(getattr(self, field), self.redacted_fields[field]))

    def _fail_unless_redacted(self) -> None:
        fields = self.redacted_fields.items()
        plain = [field for field, redact in fields if not _is_redacted(getattr(self, field), redact)]
        if plain:
            self._redact_fields(plain)  # in case Airflow stores them after this error
            raise ISmartUnsupportedAirflowError(
                f"This Airflow rendered {' and '.join(plain)} without redaction: its UI may show phone numbers. "
                "Nothing was sent. Install a release of airflow-provider-ismart that supports this Airflow."
            )


def _redact(value: Any, redact: Callable[[Any], Any]) -> Any:
    return value if _is_redacted(value, redact) else redact(value)


def _is_redacted(value: Any, redact: Callable[[Any], Any]) -> bool:
    if redact is redact_each and isinstance(value, (Mapping, list, tuple)):
        members = value.values() if isinstance(value, Mapping) else value
        return all(member is None or isinstance(member, Redacted) for member in members)
    return value is None or isinstance(value, Redacted)
