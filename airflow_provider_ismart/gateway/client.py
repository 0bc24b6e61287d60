"""Make the call for one batch, and determine its outcome.

An SMS cannot be recalled, so what matters after a failed call is what the failure proves; see
:class:`~airflow_provider_ismart.core.outcomes.Fate`. No exception, log record or ``repr`` of this module contains
the password, a full number or a text.
"""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import quote

from pyrate_limiter import Limiter, Rate
from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_exponential_jitter
from tenacity.nap import sleep_using_event

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.msisdn import mask_msisdn
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate
from airflow_provider_ismart.core.return_codes import ACCEPTED_CODE, Kind, return_code
from airflow_provider_ismart.core.schedule import PUSH_AT_FORMAT
from airflow_provider_ismart.core.segmentation import Lang
from airflow_provider_ismart.gateway.transport import MaybeSent, NotSent, Reply, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_ismart.core.batching import Batch
    from airflow_provider_ismart.gateway.settings import Settings

#: The most attempts of a call that provably did not reach the gateway, and the longest wait between them.
MAX_ATTEMPTS = 4
MAX_BACK_OFF_SECONDS = 30.0

#: The statuses with which a web server rejects a request before the application sees it (RFC 9110, section 15.5).
#: Any other status except 200 does not show what the application did.
REJECTED_STATUSES = frozenset({400, 401, 403, 404, 405, 407, 413, 414, 429, 431})
_TRANSIENT_STATUSES = frozenset({None, 429, 503})

#: White space around the code, and the UTF-8 byte order mark that some servers add, are ignored.
_RETURN_CODE = re.compile(rb"(?:\s|\xef\xbb\xbf)*(0|[1-9][0-9]{0,3})\s*")
_OK = 200
_SERVICE_UNAVAILABLE = 503

#: A sample time, to compute the length of a query.
_ANY_PUSH_AT = "01/31/2030 08:00:00"

#: The gateway refuses this number before dispatch, so it costs nothing and reaches nobody (second-hand).
PROBE_MSISDN = "1"


def _now() -> datetime:
    return datetime.now(UTC)


class GatewayClient:
    """Make calls to the gateway from any number of threads, at most ``max_concurrency`` concurrently.

    Connections are kept alive for later calls. When ``halted`` is set, no further call starts, and waits between
    calls end. While ``paused`` is set, no further call starts either, and a call that waits returns a paused
    outcome.

    :raises InputError: the certificates of ``ca_bundle`` cannot be read.
    """

    def __init__(self, settings: Settings, *, halted: Event | None = None) -> None:
        self.settings = settings
        self.halted = halted or Event()
        self.paused = Event()
        self._transport = Transport(settings)
        self._limiter = None
        if settings.calls_per_second:
            self._limiter = Limiter(Rate(1, math.ceil(1000 / settings.calls_per_second)), buffer_ms=0)
        self._retrying = Retrying(
            retry=self._may_try_again,
            stop=stop_after_attempt(MAX_ATTEMPTS),
            wait=_back_off,
            sleep=sleep_using_event(self.halted),
            retry_error_callback=_last_outcome,
        )

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()
        if self._limiter:
            self._limiter.close()

    def build_url(
        self, batch: Batch, *, flash: bool = False, push_at: str | None = None, reveal: bool = False
    ) -> str:
        """Return the URL of a batch's call. Credentials and numbers are masked unless ``reveal`` is true."""
        query = self._query(batch, flash=flash, push_at=push_at, reveal=reveal)
        return f"{self.settings.url}?{query}"

    def _query(self, batch: Batch, *, flash: bool, push_at: str | None, reveal: bool = True) -> str:
        return query_string(
            login=self.settings.login if reveal else "***",
            password=self.settings.password if reveal else "***",
            msisdns=batch.msisdns if reveal else [mask_msisdn(msisdn) for msisdn in batch.msisdns],
            text=batch.message.text,
            lang=batch.message.lang,
            flash=flash,
            push_at=push_at,
            header=self.settings.header,
        )

    def query_overhead(self, *, flash: bool, push_at: str | None) -> int:
        """Return the length of a call's query string without numbers and text, in characters."""
        settings = self.settings
        empty = query_string(
            login=settings.login,
            password=settings.password,
            msisdns=(),
            text="",
            lang=Lang.ARABIC,
            flash=flash,
            push_at=push_at or (_ANY_PUSH_AT if settings.quiet_hours else None),
            header=settings.header,
        )
        return len(empty)

    def submit(
        self, batch: Batch, *, flash: bool, push_at: datetime | None, now: Callable[[], datetime] = _now
    ) -> CallOutcome:
        """Submit a batch, and retry a few times if the call provably did not reach the gateway.

        If there is no ``push_at``, or it has passed, an attempt in quiet hours is scheduled for their end.

        :raises InputError: the connection is restricted, and a number is not allowed.
        """
        allowed = self.settings.allowed_numbers
        if allowed is not None and not allowed.issuperset(batch.msisdns):
            raise InputError(f"{self.settings.restriction}, but the call contains other numbers")
        quiet_hours = self.settings.quiet_hours

        def call() -> CallOutcome:
            moment = now()
            is_later = push_at is not None and push_at > moment
            scheduled_for = quiet_hours.end_after(moment) if quiet_hours and not is_later else None
            pushed = scheduled_for or push_at
            query = self._query(batch, flash=flash, push_at=pushed.strftime(PUSH_AT_FORMAT) if pushed else None)
            return self._call(query)._replace(scheduled_for=scheduled_for)

        outcome: CallOutcome = self._retrying(self._paced, call)
        attempts = self._retrying.statistics["attempt_number"]  # of this thread
        if outcome.attempts:
            return outcome._replace(attempts=attempts)
        # the last attempt did not start
        return outcome._replace(attempts=attempts - 1, is_paused=not self.halted.is_set())

    def probe(self) -> CallOutcome:
        """Make the free probe once. It is not retried, so that a refused login is not tried twice."""
        query = query_string(
            login=self.settings.login,
            password=self.settings.password,
            msisdns=(PROBE_MSISDN,),
            text="probe",
            lang=Lang.ENGLISH,
            flash=False,
            push_at=None,
            header=self.settings.header,
        )
        return self._paced(lambda: self._call(query))

    def _paced(self, call: Callable[[], CallOutcome]) -> CallOutcome:
        while self._limiter and not self._is_stopped and not self._limiter.try_acquire("call", timeout=1):
            pass
        if self._is_stopped:
            return CallOutcome(fate=Fate.NOT_SENT, detail="stopped before the call", attempts=0)
        started = time.monotonic()
        return call()._replace(seconds=time.monotonic() - started)

    @property
    def _is_stopped(self) -> bool:
        return self.halted.is_set() or self.paused.is_set()

    def _call(self, query: str) -> CallOutcome:
        try:
            return read_answer(self._transport.get(query))
        except NotSent as error:
            return CallOutcome(fate=Fate.NOT_SENT, detail=str(error))
        except MaybeSent as error:
            return CallOutcome(fate=Fate.UNCERTAIN, detail=str(error))

    def _may_try_again(self, state: RetryCallState) -> bool:
        outcome = _last_outcome(state)
        is_transient = outcome.fate is Fate.NOT_SENT and outcome.http_status in _TRANSIENT_STATUSES
        return is_transient and outcome.attempts > 0 and not self.halted.is_set()


def query_string(
    *,
    login: str,
    password: str,
    msisdns: Sequence[str],
    text: str,
    lang: Lang,
    flash: bool,
    push_at: str | None,
    header: str | None = None,
) -> str:
    """Return the query string of a call (gateway document, "The call"). Values are quoted, except commas.

    ``Header`` is second-hand: the document does not list it.
    """
    parameters = {
        "UserId": quote(login, safe="*"),
        "Password": quote(password, safe="*"),
        "MobileNo": ",".join(msisdns),
        "Message": quote(text, safe=""),
        "Lang": str(int(lang)),
        "FLashSMS": "Y" if flash else "N",
    }
    if push_at is not None:
        parameters["PushDateTime"] = quote(push_at, safe="")
    if header is not None:
        parameters["Header"] = quote(header, safe="")
    return "&".join(f"{name}={value}" for name, value in parameters.items())


def read_answer(reply: Reply) -> CallOutcome:
    """Return the outcome that a reply proves. A reply has a return code only if its body is one whole number."""
    status = reply.status
    if status != _OK:
        retry_after = _seconds(reply.headers.get("Retry-After"))
        asked_to_wait = status == _SERVICE_UNAVAILABLE and "Retry-After" in reply.headers
        fate = Fate.NOT_SENT if status in REJECTED_STATUSES or asked_to_wait else Fate.UNCERTAIN
        return CallOutcome(fate=fate, http_status=status, detail=f"HTTP {status}", retry_after=retry_after)
    found = _RETURN_CODE.fullmatch(reply.body)
    if not found:
        return CallOutcome(fate=Fate.UNCERTAIN, http_status=status, detail="the answer was not a return code")
    code = int(found[1])
    if code == ACCEPTED_CODE:
        return CallOutcome(fate=Fate.ACCEPTED, code=code)
    known = return_code(code)
    fate = Fate.UNCERTAIN if known.kind is Kind.UNCERTAIN else Fate.REFUSED
    return CallOutcome(fate=fate, code=code, detail=f"return code {code} ({known.description})")


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None


def _last_outcome(state: RetryCallState) -> CallOutcome:
    assert state.outcome is not None  # noqa: S101  # tenacity has set it by now
    outcome: CallOutcome = state.outcome.result()
    return outcome


def _back_off(state: RetryCallState) -> float:
    """Return the wait before a retry: Retry-After, else exponential back-off with jitter; at most 30 seconds."""
    asked = _last_outcome(state).retry_after
    seconds = wait_exponential_jitter()(state) / 2  # half a second, doubled each time
    return min(asked if asked is not None else seconds, MAX_BACK_OFF_SECONDS)
