"""What a probe or a canary says about the account.

``docs/credit.md`` says what either proves.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.outcomes import CallOutcome
from airflow_provider_ismart.core.return_codes import ACCEPTED_CODE, RETURN_CODES, Kind, return_code

#: The codes that raise the credit alert (gateway document): credit low, account expired, credit expired.
ALERT_CODES = tuple(sorted(code.number for code in RETURN_CODES.values() if code.kind is Kind.CREDIT))

#: What the gateway answers to the probe where the login is good: its number is not one.
PROBE_IS_GOOD = 9

#: What a look can answer where nothing is wrong: a canary is accepted, a probe's number is not one.
GOOD_CODES = frozenset({ACCEPTED_CODE, PROBE_IS_GOOD})


class WaitFor(Enum):
    """What a watch waits for."""

    #: One of the alert codes.
    ALERT = "alert"
    #: No trouble: the login is good and none of the gateway's other codes showed.
    OK = "ok"


class ProbeVerdict(Enum):
    """What a look means for the watch."""

    #: What the watch waits for is there.
    FOUND = "found"
    #: It is not there: look again later.
    NOT_YET = "not_yet"
    #: The login was refused: looking again can lock the account.
    LOGIN_REFUSED = "login_refused"
    #: The account may not send, which waiting does not mend.
    ACCOUNT_REFUSED = "account_refused"
    #: Nothing that speaks of the account: no code, or one that should not come here.
    NO_VERDICT = "no_verdict"


class Watch(NamedTuple):
    """Which codes are an alert, and whether they or their absence are waited for."""

    alert_codes: frozenset[int]
    wait_for: WaitFor

    @classmethod
    def of(cls, alert_codes: Iterable[int], wait_for: str) -> Watch:
        """Read what a user writes.

        :raises InputError: a code is no trouble of an account, or ``wait_for`` is none of what it can be.
        """
        codes = frozenset(alert_codes)
        can_be = sorted(
            code
            for code, known in RETURN_CODES.items()
            if known.kind in {Kind.CREDIT, Kind.ACCOUNT} and code not in GOOD_CODES
        )
        if not codes or not codes <= set(can_be):
            listed = ", ".join(map(str, can_be))
            raise InputError(f"alert_codes is {sorted(codes, key=str)}; it can be some of {listed}")
        try:
            return cls(alert_codes=codes, wait_for=WaitFor(wait_for))
        except ValueError:
            known = ", ".join(repr(choice.value) for choice in WaitFor)
            raise InputError(f"wait_for is {wait_for!r}; it can be {known}") from None

    def verdict(self, code: int | None) -> ProbeVerdict:
        """Say what the return code of a look means; ``None`` is a look without one."""
        if code is None:
            return ProbeVerdict.NO_VERDICT
        kind = return_code(code).kind
        if kind is Kind.LOGIN:
            return ProbeVerdict.LOGIN_REFUSED
        if code in self.alert_codes:
            return ProbeVerdict.FOUND if self.wait_for is WaitFor.ALERT else ProbeVerdict.NOT_YET
        if kind is Kind.ACCOUNT:
            return ProbeVerdict.ACCOUNT_REFUSED
        if code in GOOD_CODES:
            return ProbeVerdict.FOUND if self.wait_for is WaitFor.OK else ProbeVerdict.NOT_YET
        return ProbeVerdict.NOT_YET if kind is Kind.CREDIT else ProbeVerdict.NO_VERDICT


def seen(outcome: CallOutcome) -> dict[str, int | str | None]:
    """Return what a look saw as plain JSON: ``code``, ``description`` and ``help``.

    Without a code, the description is what happened instead.
    """
    if outcome.code is None:
        return {"code": None, "description": outcome.detail, "help": "Look again later."}
    if outcome.code in GOOD_CODES:
        return {
            "code": outcome.code,
            "description": "No trouble was seen",
            "help": "Whether the credit lasts, the gateway does not tell.",
        }
    known = return_code(outcome.code)
    return {"code": known.number, "description": known.description, "help": known.help}


def in_words(outcome: CallOutcome) -> str:
    """Return what a look saw as a log says it."""
    what = seen(outcome)
    return f"{what['description']} (return code {what['code']})" if what["code"] else str(what["description"])
