"""What is known of one attempt to hand a batch over; the difference decides what may be done next."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Fate(Enum):
    """What became of a call, and whether sending it again can reach anybody twice."""

    #: Code 1. Never again.
    ACCEPTED = "accepted"
    #: Another code but 11. Nobody got it; whether to try again depends on the code.
    REFUSED = "refused"
    #: Proven not to have reached the application. Safe to send again.
    NOT_SENT = "not_sent"
    #: It may have been accepted. Sending it again may reach everybody in it twice.
    UNCERTAIN = "uncertain"


class CallOutcome(NamedTuple):
    """A call's fate and what showed it.

    ``code`` is the return code, ``http_status`` the status of an answer that held none, ``detail`` what was
    seen, in words without secrets, and ``attempts`` how many times the call was made until this was known, none
    where it never started. ``retry_after`` is how many seconds the server asked to be left alone, ``seconds`` how
    long the last attempt took, where one was made.
    """

    fate: Fate
    code: int | None = None
    http_status: int | None = None
    detail: str = ""
    attempts: int = 1
    retry_after: float | None = None
    seconds: float | None = None
