"""Define the errors, named by what to do next.

::

    ISmartError
    ├── ISmartInputError             correct the recipients, the message, an option or the connection
    ├── ISmartUnsupportedAirflowError    install a release that supports this Airflow
    ├── ISmartSourceError            repair the database or file with the recipients, then retry
    ├── ISmartLoginError             correct the password, or have the account unlocked (codes of kind login)
    ├── ISmartAccountError           contact Infocomm (codes of kind account)
    ├── ISmartCreditError            buy credit, then retry (codes of kind credit)
    │   └── ISmartCreditTimeoutError    buy credit: a sensor timed out during the trouble
    ├── ISmartRefusedError           look up the code and correct its cause (any other code)
    ├── ISmartUnavailableError       retry: the remaining rows were certainly not sent
    └── ISmartUncertainError         find out what was sent; the next try sends the uncertain rows again
        └── ISmartUncertainFinalError    find out what was sent; no try sends the uncertain rows again

An error that a retry cannot fix, or could make worse, is also an ``AirflowFailException``, so Airflow does not
retry the task. This applies to input, unsupported Airflow, login, account, refused and uncertain-final errors. A
sensor's timeout is not retried either. After any other error, a retry resumes if there is a ledger, and otherwise
refuses to send.

:func:`~airflow_provider_ismart.core.return_codes.return_code` returns the kind of a return code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSensorTimeout

if TYPE_CHECKING:
    from airflow_provider_ismart.core.report import Report


class ISmartError(AirflowException):
    """Base class of this package's errors. Airflow's task state store raises its own errors.

    ``code`` is the gateway's return code, if there is one, and ``report`` the report of the send so far.
    """

    def __init__(self, message: str, *, code: int | None = None, report: Report | None = None) -> None:
        super().__init__(message if report is None else f"{message} So far: {report}.")
        self.code = code
        self.report = report


class ISmartInputError(ISmartError, AirflowFailException):
    """The recipients, the message, an option or the connection is invalid. This send reached nobody."""


class ISmartUnsupportedAirflowError(ISmartError, AirflowFailException):
    """A safeguard, such as redaction, does not work on this version of Airflow. Nothing was sent."""


class ISmartSourceError(ISmartError):
    """The recipients could not be read from their database or file. Nothing was sent."""


class ISmartLoginError(ISmartError, AirflowFailException):
    """The login was refused (a return code of kind login). Trying again can lock the account."""


class ISmartAccountError(ISmartError, AirflowFailException):
    """The account is not allowed to send (a return code of kind account). Contact Infocomm."""


class ISmartCreditError(ISmartError):
    """The credit is low or has expired, or the account has expired (a return code of kind credit)."""


class ISmartCreditTimeoutError(ISmartCreditError, AirflowSensorTimeout):
    """A sensor timed out while the account was still in trouble. Not retried, like all sensor timeouts."""


class ISmartRefusedError(ISmartError, AirflowFailException):
    """The gateway refused the send with another return code, which is in ``code``."""


class ISmartUnavailableError(ISmartError):
    """The gateway could not be used, or the send was stopped.

    Rows with the outcome ``not_attempted`` were certainly not sent.
    """


class ISmartUncertainError(ISmartError):
    """Some calls may or may not have been accepted; the next try sends them again."""


class ISmartUncertainFinalError(ISmartUncertainError, AirflowFailException):
    """Some calls may or may not have been accepted, and a person must decide whether to send them again."""
