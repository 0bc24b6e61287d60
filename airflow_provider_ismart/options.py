"""How a send behaves: each option, what it can be, and its default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TypeVar

from airflow_provider_ismart.sms.batches import MAX_BATCH_SIZE
from airflow_provider_ismart.sms.errors import InputError
from airflow_provider_ismart.sms.messages import LangChoice
from airflow_provider_ismart.sms.reading import Content
from airflow_provider_ismart.sms.submission import OnRefused
from airflow_provider_ismart.sms.text import MAX_PARTS


class OnEmpty(Enum):
    """What to make of recipients without a row."""

    SKIP = "skip"
    FAIL = "fail"


class OnInvalid(Enum):
    """What to make of rows that cannot be sent: leave them out, or send nothing at all."""

    SKIP = "skip"
    FAIL = "fail"


class OnUncertain(Enum):
    """What to make of calls that may or may not have been accepted."""

    #: End without a retry.
    FAIL = "fail"
    #: Fail, and let the next try send them again: everybody gets the message at least once.
    RESEND = "resend"
    #: Go on: everybody gets the message at most once.
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """The options of a send, checked. :meth:`of` makes them from what a user writes."""

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
    results_path: str | None = None

    def __post_init__(self) -> None:
        """Check what the types do not.

        :raises InputError: an option is none of what it can be.
        """
        if type(self.batch_size) is not int or not 1 <= self.batch_size <= MAX_BATCH_SIZE:
            raise InputError(f"batch_size is {self.batch_size!r}; it can be 1 to {MAX_BATCH_SIZE}")
        for option in ("flash", "deduplicate", "dry_run"):
            if not isinstance(getattr(self, option), bool):
                raise InputError(f"{option} is {getattr(self, option)!r}; it can be True or False")

    @classmethod
    def of(
        cls,
        *,
        message: str | None = None,
        message_column: str | None = None,
        lang: str | int = "auto",
        max_parts: int = MAX_PARTS,
        on_empty: str = "skip",
        on_invalid: str = "skip",
        on_refused: str = "isolate",
        on_uncertain: str = "fail",
        **others: object,
    ) -> SendOptions:
        """Read the options as a user writes them.

        :raises InputError: an option is none of what it can be.
        """
        return cls(
            content=Content(
                message=message, message_column=message_column, lang=LangChoice.of(lang), max_parts=max_parts
            ),
            on_empty=_choice(OnEmpty, "on_empty", on_empty),
            on_invalid=_choice(OnInvalid, "on_invalid", on_invalid),
            on_refused=_choice(OnRefused, "on_refused", on_refused),
            on_uncertain=_choice(OnUncertain, "on_uncertain", on_uncertain),
            **others,  # type: ignore[arg-type]
        )


_Choice = TypeVar("_Choice", bound=Enum)


def _choice(choices: type[_Choice], option: str, value: object) -> _Choice:
    try:
        return choices(value)
    except ValueError:
        known = ", ".join(repr(choice.value) for choice in choices)
        raise InputError(f"{option} is {value!r}; it can be {known}") from None
