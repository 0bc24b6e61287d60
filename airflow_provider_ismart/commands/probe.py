"""Run ``probe``: test the login, unless it is known to be refused."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from airflow_provider_ismart.commands.output import NEGATIVE, Output, Silent, reporting
from airflow_provider_ismart.commands.server_context import hook_of
from airflow_provider_ismart.core.credit import judge_login
from airflow_provider_ismart.core.return_codes import Kind, return_code

if TYPE_CHECKING:
    from airflow_provider_ismart.core.outcomes import CallOutcome
    from airflow_provider_ismart.hooks.ismart import ISmartHook

#: How long to wait for alerts on this machine that are using the connection, in seconds.
_WAIT_SECONDS = 15.0

_NOT_SHARED = "Airflow's database could not record the refusal, so tasks can still try this login."
_HOW_TO_UNBLOCK = "A changed login or password can be tried immediately."


@reporting
def run(options: Namespace, output: Output) -> int:
    """Print whether the login is good. The exit status is 1 if it is not, or must not be tried."""
    outcome, refusal = _probe(hook_of(options.conn_id), output)
    is_good, why = (False, refusal) if outcome is None else judge_login(outcome)
    if output.as_json:
        code = outcome.code if outcome else None
        output.json({"login_is_good": is_good, "called": outcome is not None, "code": code, "explanation": why})
    else:
        output.result(why)
    return 0 if is_good else NEGATIVE


def _probe(hook: ISmartHook, output: Output) -> tuple[CallOutcome | None, str]:
    """Return the outcome of one probe, or the reason for making none."""
    from airflow_provider_ismart.coordination.locks import BusyError, Deadline  # noqa: PLC0415  # imports Airflow
    from airflow_provider_ismart.coordination.login_gate import LoginGate  # noqa: PLC0415
    from airflow_provider_ismart.exceptions import ISmartUnavailableError  # noqa: PLC0415

    refused = hook.refused_login
    gate = LoginGate(refused.name, hook.settings)
    try:
        with gate.enter(Deadline(_WAIT_SECONDS)):
            if reason := refused.block_reason() or gate.block_reason():
                return None, f"{reason} {_HOW_TO_UNBLOCK}"
            outcome = hook.make_probe()
            if outcome.code is not None and return_code(outcome.code).kind is Kind.LOGIN:
                is_shared = refused.record(Silent())
                gate.record_refused(is_shared=is_shared)
                if not is_shared:
                    output.message(_NOT_SHARED)
            return outcome, ""
    except BusyError:
        raise ISmartUnavailableError(
            "Alerts on this machine are using the connection, so no call was made. Try again."
        ) from None
