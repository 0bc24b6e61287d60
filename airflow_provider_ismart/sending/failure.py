"""Choose the error of a failed send."""

from __future__ import annotations

from airflow_provider_ismart.core.dispatch import Submission
from airflow_provider_ismart.core.outcomes import Fate, Outcome
from airflow_provider_ismart.core.report import Report, in_one_line
from airflow_provider_ismart.core.return_codes import Kind, return_code
from airflow_provider_ismart.exceptions import (
    ISmartAccountError,
    ISmartCreditError,
    ISmartError,
    ISmartInputError,
    ISmartLoginError,
    ISmartRefusedError,
    ISmartUnavailableError,
    ISmartUncertainError,
    ISmartUncertainFinalError,
)
from airflow_provider_ismart.sending.options import OnUncertain

_ERROR_OF_KIND: dict[Kind, type[ISmartError]] = {
    Kind.LOGIN: ISmartLoginError,
    Kind.ACCOUNT: ISmartAccountError,
    Kind.CREDIT: ISmartCreditError,
}


def failure(report: Report, submission: Submission, on_uncertain: OnUncertain) -> ISmartError | None:
    """Return the gravest error of a send, or ``None`` if it succeeded."""
    stop, uncertain = submission.stopped_by, report.outcomes[Outcome.UNCERTAIN]
    code = stop.code if stop and stop.fate is Fate.REFUSED else None
    if code is not None and (error := _ERROR_OF_KIND.get(return_code(code).kind)):
        return error(str(return_code(code)), code=code, report=report)
    if submission.had_too_long_text and not submission.reached_anybody and not uncertain:
        return _too_long_error(report)
    if uncertain and on_uncertain is not OnUncertain.ACCEPT:
        return _uncertain_error(report, submission, on_uncertain)
    if code is None and submission.refused_texts:
        code = min(submission.refused_texts)
    if code is None and report.outcomes[Outcome.REFUSED] and not submission.reached_anybody:
        code = next(iter(report.codes))
    if code is not None:
        return ISmartRefusedError(str(return_code(code)), code=code, report=report)
    if left := report.outcomes[Outcome.NOT_ATTEMPTED]:
        why = f"The gateway could not be used ({stop.detail})" if stop else "The send was stopped"
        return ISmartUnavailableError(
            f"{why}. Rows certainly not sent: {left:,}. With a ledger, a retry sends them.", report=report
        )
    return None


def _too_long_error(report: Report) -> ISmartError:
    return ISmartInputError(
        f"Nothing was sent: the server rejected the calls, which may be too long ({in_one_line(report.reasons)}). "
        "Shorten the text, or check the connection's host and path.",
        report=report,
    )


def _uncertain_error(report: Report, submission: Submission, on_uncertain: OnUncertain) -> ISmartError:
    seen = in_one_line(submission.outcomes.reasons(Outcome.UNCERTAIN))
    what = (
        f"Rows that may or may not have been accepted: {report.outcomes[Outcome.UNCERTAIN]:,} ({seen}). Ask "
        "Infocomm about them, and settle them with settlements_path. If results_path is set, its file lists them."
    )
    if left := report.outcomes[Outcome.NOT_ATTEMPTED]:
        what += f" Rows certainly not sent: {left:,}. With a ledger, clear the task to send them."
    code = next((code for code in report.codes if return_code(code).kind is Kind.UNCERTAIN), None)
    if on_uncertain is OnUncertain.RESEND:
        what += " With a ledger, a retry sends the uncertain ones again (on_uncertain='resend')."
        return ISmartUncertainError(what, code=code, report=report)
    what += " No retry sends the uncertain ones again (on_uncertain='fail')."
    return ISmartUncertainFinalError(what, code=code, report=report)
