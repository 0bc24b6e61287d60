"""Judge the account by the answer to a probe or a canary.

``docs/credit.md`` explains what each of them proves.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.return_codes import ACCEPTED_CODE, RETURN_CODES, Kind, return_code

if TYPE_CHECKING:
    from airflow_provider_ismart.core.outcomes import CallOutcome

#: The codes that raise the credit alert (gateway document): credit is low, account expired, credit expired.
ALERT_CODES = tuple(sorted(code.number for code in RETURN_CODES.values() if code.kind is Kind.CREDIT))

#: The answer to the probe if the login is good: the probe's number is invalid.
PROBE_IS_GOOD = 9

#: The answers to a check if nothing is wrong: 1 to a canary, 9 to a probe.
GOOD_CODES = frozenset({ACCEPTED_CODE, PROBE_IS_GOOD})


def judge_login(outcome: CallOutcome) -> tuple[bool, str]:
    """Return whether a probe shows that the login is good, with a sentence for the user."""
    if outcome.code == PROBE_IS_GOOD:
        return True, "The login is good. This does not show whether there is credit."
    if outcome.code is not None:
        return False, f"The gateway answered {return_code(outcome.code)}"
    return False, f"No return code: {outcome.detail}"


class ProbeVerdict(Enum):
    """The conclusion from one check."""

    #: The awaited state was reached.
    FOUND = "found"
    #: The awaited state was not reached: check again later.
    NOT_YET = "not_yet"
    #: The login was refused: another check can lock the account.
    LOGIN_REFUSED = "login_refused"
    #: The account is not allowed to send, and waiting does not help.
    ACCOUNT_REFUSED = "account_refused"
    #: The answer says nothing about the account: no code, or an unexpected one.
    NO_VERDICT = "no_verdict"


class Watch:
    """Decide what a check means, for the codes that mean trouble and what to wait for.

    :raises InputError: a code is not of kind account or credit, or ``wait_for`` is invalid.
    """

    def __init__(self, alert_codes: Iterable[int], wait_for: str) -> None:
        codes = self._alert_codes = frozenset(alert_codes)
        can_be = sorted(
            code
            for code, known in RETURN_CODES.items()
            if known.kind in {Kind.CREDIT, Kind.ACCOUNT} and code not in GOOD_CODES
        )
        if not codes or not codes <= set(can_be):
            listed = ", ".join(map(str, can_be))
            raise InputError(f"alert_codes is {sorted(codes, key=str)}; it must be one or more of {listed}")
        if wait_for not in ("alert", "ok"):
            raise InputError(f"wait_for is {wait_for!r}; it must be 'alert' or 'ok'")
        self._awaits_trouble = wait_for == "alert"

    def verdict(self, code: int | None) -> ProbeVerdict:
        """Return the conclusion from a check's return code; ``None`` if the check got no code."""
        if code is None:
            return ProbeVerdict.NO_VERDICT
        kind = return_code(code).kind
        if kind is Kind.LOGIN:
            return ProbeVerdict.LOGIN_REFUSED
        if code in self._alert_codes:
            return ProbeVerdict.FOUND if self._awaits_trouble else ProbeVerdict.NOT_YET
        if kind is Kind.ACCOUNT:
            return ProbeVerdict.ACCOUNT_REFUSED
        if code in GOOD_CODES:
            return ProbeVerdict.NOT_YET if self._awaits_trouble else ProbeVerdict.FOUND
        return ProbeVerdict.NOT_YET if kind is Kind.CREDIT else ProbeVerdict.NO_VERDICT


def seen(outcome: CallOutcome) -> dict[str, int | str | None]:
    """Return the result of a check as plain JSON: ``code``, ``description`` and ``help``.

    If there is no code, the description has the cause.
    """
    if outcome.code is None:
        return {"code": None, "description": outcome.detail, "help": "Check again later."}
    if outcome.code in GOOD_CODES:
        return {
            "code": outcome.code,
            "description": "No trouble was seen",
            "help": "The gateway does not report how much credit is left.",
        }
    known = return_code(outcome.code)
    return {"code": known.number, "description": known.description, "help": known.help}


def in_words(outcome: CallOutcome) -> str:
    """Return the result of a check as text for the log."""
    what = seen(outcome)
    return f"{what['description']} (return code {what['code']})" if what["code"] else str(what["description"])
