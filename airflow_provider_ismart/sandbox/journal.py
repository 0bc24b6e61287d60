"""Keep accepted messages in memory, and as JSON lines in a file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, Self

from .gateway import Submission

_to_json: Final = json.JSONEncoder(ensure_ascii=False).encode
#: JSON does not escape these, but `str.splitlines` splits at them.
_LINE_ENDS: Final = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """The fields that all messages of one accepted call share."""

    #: The number of the call.
    call: int
    #: ISO date-time, UTC.
    accepted_at: str
    #: "scheduled" if ``PushDateTime`` was in the future when the call was accepted.
    state: Literal["sent", "scheduled"]
    #: The text as the phone shows it.
    text: str
    lang: int
    flash: bool
    #: ISO date-time, Oman time; ``None`` if the call has no delivery time.
    push_at: str | None
    #: ``PushDateTime`` as sent.
    push_date_time: str | None
    #: ``Header``, the sender id, as sent.
    header: str | None
    parts: int

    def as_json(self) -> dict[str, Any]:
        """Return the fields, which are JSON types."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Message(Delivery):
    """One accepted message to one number."""

    #: Unique, also across runs of the sandbox.
    id: str
    msisdn: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """The messages of one accepted call. They are built on demand, because calls are more frequent than reads."""

    id_prefix: str
    mobile_no: str
    delivery: Delivery

    @classmethod
    def of(cls, submission: Submission, *, run: str, call: int) -> Self:
        """Return the batch of an accepted call; `call` is its number in the run."""
        push_at = submission.push_at
        delivery = Delivery(
            call=call,
            accepted_at=submission.now.isoformat(),
            state="scheduled" if push_at and push_at > submission.now else "sent",
            text=submission.text,
            lang=int(submission.parameters["Lang"]),
            flash=submission.flash == "Y",
            push_at=push_at.isoformat() if push_at else None,
            push_date_time=submission.push_date_time,
            header=submission.header,
            parts=submission.parts,
        )
        return cls(id_prefix=f"{run}-{call}-", mobile_no=submission.mobile_no, delivery=delivery)

    @property
    def msisdns(self) -> list[str]:
        """The mobile numbers, one message each."""
        return self.mobile_no.split(",")

    def messages(self) -> Iterator[Message]:
        """Yield the messages, one per number."""
        common = self.delivery.as_json()
        for id_, msisdn in self._ids():
            yield Message(id=id_, msisdn=msisdn, **common)

    def json_lines(self) -> str:
        """Return the messages as JSON lines. Shared fields are serialised only once."""
        rest = _to_json(self.delivery.as_json())[1:].translate(_LINE_ENDS)
        return "".join(f'{{"id": "{id_}", "msisdn": "{msisdn}", {rest}\n' for id_, msisdn in self._ids())

    def _ids(self) -> Iterator[tuple[str, str]]:
        return ((f"{self.id_prefix}{n}", msisdn) for n, msisdn in enumerate(self.msisdns, start=1))


class JournalFile:
    """A file of JSON lines that has every message even if the process is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.append("")  # fails now, not at the first message, if the path cannot be written
        except OSError as exc:
            raise type(exc)(f"cannot write the journal {path}: {exc.strerror}") from exc

    def append(self, lines: str) -> None:
        """Append lines and flush them to the operating system."""
        with self._path.open("ab") as file:
            file.write(lines.encode())
