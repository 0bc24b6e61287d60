"""Define and check the options of a send: their types, allowed values and defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from inspect import Parameter, signature
from os import PathLike
from pathlib import PurePath
from typing import Any, TypeVar

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_ismart.core.batching import MAX_BATCH_SIZE
from airflow_provider_ismart.core.columns import shown
from airflow_provider_ismart.core.dispatch import OnRefused
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.message import LangChoice
from airflow_provider_ismart.core.segmentation import MAX_PARTS, Lang
from airflow_provider_ismart.core.validation import Content

_SHORTENED_URL = re.compile(r"[a-z][a-z0-9+.-]+:/(?!/)")


class OnEmpty(Enum):
    """What to do if there are no rows."""

    SKIP = "skip"
    FAIL = "fail"


class OnInvalid(Enum):
    """What to do with invalid rows: skip them, or send nothing."""

    SKIP = "skip"
    FAIL = "fail"


class OnUncertain(Enum):
    """What to do with calls that may or may not have been accepted."""

    #: Fail without a retry.
    FAIL = "fail"
    #: Fail, and let the next try send them again: at least once.
    RESEND = "resend"
    #: Succeed without sending them again: at most once.
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """The validated options of a send. :meth:`of` converts a user's values."""

    content: Content
    recipient_column: str = "msisdn"
    flash: bool = False
    push_at: datetime | str | None = None
    batch_size: int = MAX_BATCH_SIZE
    deduplicate: bool = True
    on_empty: OnEmpty = OnEmpty.SKIP
    on_invalid: OnInvalid = OnInvalid.SKIP
    on_refused: OnRefused = OnRefused.ISOLATE
    on_uncertain: OnUncertain = OnUncertain.FAIL
    dry_run: bool = False
    results_path: str | PathLike[str] | None = None
    settlements_path: str | PathLike[str] | None = None
    exclude: Any = field(default=None, repr=False)
    max_credits: int | None = None

    def __post_init__(self) -> None:
        """Check what the types alone do not guarantee.

        :raises InputError: an option is invalid.
        """
        if type(self.batch_size) is not int or not 1 <= self.batch_size <= MAX_BATCH_SIZE:
            raise InputError(f"batch_size is {_shown(self.batch_size)}; it must be 1 to {MAX_BATCH_SIZE}")
        for option in ("flash", "deduplicate", "dry_run"):
            if not isinstance(getattr(self, option), bool):
                raise InputError(f"{option} is {_shown(getattr(self, option))}; it must be True or False")
        _check_column("recipient_column", self.recipient_column)
        _check_path("results_path", self.results_path)
        _check_path("settlements_path", self.settlements_path)

    @classmethod
    def of(
        cls,
        *,
        message: str | Mapping[str, str] | None = None,
        message_column: str | None = None,
        language_column: str | None = None,
        lang: str | int = "auto",
        max_parts: int = MAX_PARTS,
        simplify_text: bool = False,
        on_empty: str = "skip",
        on_invalid: str = "skip",
        on_refused: str = "isolate",
        on_uncertain: str = "fail",
        max_credits: int | str | None = None,
        **others: object,
    ) -> SendOptions:
        """Validate and convert a user's values.

        :raises InputError: an option is invalid.
        """
        if type(max_parts) is not int:
            raise InputError(f"max_parts is {_shown(max_parts)}; it must be 1 to {MAX_PARTS}")
        if not isinstance(simplify_text, bool):
            raise InputError(f"simplify_text is {_shown(simplify_text)}; it must be True or False")
        if message is not None and not isinstance(message, str | Mapping):
            raise InputError(f"message is {_shown(message)}; it must be text, or a dict of texts by language")
        if message_column is not None:
            _check_column("message_column", message_column)
        if language_column is not None:
            _check_column("language_column", language_column)
        return cls(
            content=Content(
                message=message,
                message_column=message_column,
                language_column=language_column,
                lang=_lang(lang),
                max_parts=max_parts,
                simplify_text=simplify_text,
            ),
            on_empty=_choice(OnEmpty, "on_empty", on_empty),
            on_invalid=_choice(OnInvalid, "on_invalid", on_invalid),
            on_refused=_choice(OnRefused, "on_refused", on_refused),
            on_uncertain=_choice(OnUncertain, "on_uncertain", on_uncertain),
            max_credits=_max_credits(max_credits),
            **others,  # type: ignore[arg-type]
        )


_WRITTEN = (name for name, of in signature(SendOptions.of).parameters.items() if of.kind is Parameter.KEYWORD_ONLY)
#: The names of all options.
OPTIONS = tuple(
    dict.fromkeys([*_WRITTEN, *(option.name for option in fields(SendOptions) if option.name != "content")])
)


def check_name(option: str, value: object) -> None:
    """Check an option that names a connection, column or path.

    :raises InputError: it is not text, or is blank.
    """
    if not isinstance(value, str):
        raise InputError(f"{option} is {_shown(value)}; it must be text")
    if not value.strip():
        raise InputError(f"{option} is blank; omit it to use the default")


def _check_path(option: str, value: object) -> None:
    if not isinstance(value, str | PathLike | ObjectStoragePath | None):
        raise InputError(
            f"{option} is {_shown(value)}; it must be a path or URL as text, a Path or an ObjectStoragePath"
        )
    if isinstance(value, str):
        check_name(option, value)
    if isinstance(value, str | PurePath) and _SHORTENED_URL.match(str(value)):
        raise InputError(
            f"{option} has one slash after its scheme, as Path makes of s3://…; pass the URL as text or as an "
            "ObjectStoragePath"
        )


def _check_column(option: str, value: object) -> None:
    """Check a column's name, which can be an integer, as in tables without a header."""
    if type(value) is not int:
        check_name(option, value)


def _lang(value: object) -> LangChoice:
    try:
        if isinstance(value, str) or type(value) is int or isinstance(value, Lang):
            return LangChoice.of(value)
    except InputError:
        pass
    raise InputError(f"lang is {_shown(value)}; it must be 'auto', 'english', 'arabic', 0 or 64")


def _max_credits(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):  # as a template renders it
        return int(value)
    if value is None or (type(value) is int and value >= 0):
        return value
    raise InputError(f"max_credits is {_shown(value)}; it must be None or a whole number of at least 0")


_Choice = TypeVar("_Choice", bound=Enum)


def _choice(choices: type[_Choice], option: str, value: object) -> _Choice:
    known = {choice.value: choice for choice in choices}
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{option} is {_shown(value)}; it must be one of {', '.join(map(repr, known))}")
    return known[value]


def _shown(value: object) -> str:
    """Format a value for an error message; show only its type if it could be misplaced recipients."""
    if isinstance(value, str | int | float | None):
        return shown(value) if isinstance(value, str) else repr(value)
    return f"of type {type(value).__name__}"
