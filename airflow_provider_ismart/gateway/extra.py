"""Provide `Extra`, which defines one extra of the connection."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from airflow_provider_ismart.core.errors import InputError


class Extra(NamedTuple):
    """An extra of the connection: its form field, default and allowed values.

    ``type`` is a type of JSON schema. ``minimum`` and ``maximum`` limit a number, and are 0 for other types.
    ``holds_secret`` keeps the value out of errors. Text must match ``pattern``, which ``rule`` explains and
    ``example`` illustrates. ``convert`` takes the typed value, and the values of the extras before this one in the
    table.
    """

    name: str
    type: str
    label: str
    description: str
    default: str | float | bool | None = None
    holds_secret: bool = False
    minimum: float = 0
    maximum: float = 0
    can_be_list: bool = False
    example: str = ""
    pattern: str = ""
    rule: str = ""
    convert: Callable[[Any, Mapping[str, Any]], Any] | None = None

    @property
    def help(self) -> str:
        """The description, with the default and the allowed range."""
        default = "" if self.default is None else f" Default: {self.default}."
        limits = f" From {self.minimum:g} to {self.maximum:g}." if self.maximum else ""
        return self.description + default + limits

    def read(self, given: Any, before: Mapping[str, Any]) -> Any:
        """Validate and convert a value, which can be text, because forms store text.

        :param before: the values of the extras before this one in the table.
        :raises InputError: the value is invalid.
        """
        value = self._typed(given)
        if self.pattern and value is not None and not re.fullmatch(self.pattern, value, re.ASCII):
            raise self.error(given, self.rule)
        if value is None or self.convert is None:
            return value
        try:
            return self.convert(value, before)
        except InputError as reason:
            raise self.error(given, str(reason)) from None

    def error(self, value: Any, why: str) -> InputError:
        """Return an error that names this extra and, unless it is secret, its value."""
        found = "invalid:" if self.holds_secret else f"{value!r};"
        return InputError(f"the connection's extra {self.name!r} is {found} {why}")

    def _typed(self, value: Any) -> Any:
        if value is None or value == "":
            return self.default
        if self.type == "string":
            if isinstance(value, str):
                return value.strip()
            if self.can_be_list and isinstance(value, list):
                return value
        elif self.type == "boolean":
            if str(value).lower() in {"true", "false"}:
                return str(value).lower() == "true"
        elif (number := _number(value)) is not None and (self.type == "number" or number.is_integer()):
            if not self.minimum <= number <= self.maximum:
                raise self.error(value, f"it must be {self.minimum:g} to {self.maximum:g}")
            return int(number) if self.type == "integer" else number
        such = f" such as {self.example}" if self.example else ""
        or_list = " or a list" if self.can_be_list else ""
        raise self.error(value, f"it must be {_TYPE_NAMES[self.type]}{such}{or_list}")


_TYPE_NAMES = {
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
