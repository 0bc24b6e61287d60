"""The errors, named by what to do next.

::

    ISmartError
    ├── ISmartInputError             correct the recipients, the message, an option or the connection
    ├── ISmartUnsupportedAirflowError    install a release that supports this Airflow
    ├── ISmartSourceError            repair the database or file with the recipients, then try again
    ├── ISmartLoginError             correct the password, or have the account unlocked (codes of kind login)
    ├── ISmartAccountError           contact Infocomm (codes of kind account)
    ├── ISmartCreditError            buy credit, then try again (codes of kind credit)
    │   └── ISmartCreditTimeoutError    the same; a sensor timed out while waiting for it
    ├── ISmartRefusedError           read the code, correct what it names (any other code)
    ├── ISmartUnavailableError       try again: the rest was certainly not sent
    └── ISmartUncertainError         find out what was sent; the next try sends it again
        └── ISmartUncertainFinalError    the same, and nothing is sent again by itself

If a retry cannot help or could do harm, the error is also an ``AirflowFailException``: Airflow then fails the task
whatever its ``retries``. This applies to input, unsupported Airflow, login, account, refused and uncertain-final
errors, and to the timeout of a sensor.
After the others a retry resumes if there is a ledger; without one it refuses to send.

:class:`~airflow_provider_ismart.core.return_codes.Kind` says which return code is of which kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSensorTimeout

if TYPE_CHECKING:
    from airflow_provider_ismart.core.report import Report


class ISmartError(AirflowException):
    """Base of this package's errors. Airflow's task state store raises its own.

    ``code`` is the gateway's return code, if there was one, and ``report`` the report of the send so far.
    """

    def __init__(self, message: str, *, code: int | None = None, report: Report | None = None) -> None:
        super().__init__(message if report is None else f"{message} So far: {report}.")
        self.code = code
        self.report = report


class ISmartInputError(ISmartError, AirflowFailException):
    """The caller's data, options or connection cannot be used as they are. Nothing was sent."""


class ISmartUnsupportedAirflowError(ISmartError, AirflowFailException):
    """A safeguard does not work on this Airflow, such as the redaction of rendered fields. Nothing was sent."""


class ISmartSourceError(ISmartError):
    """The recipients could not be read from their database or file. Nothing was sent."""


class ISmartLoginError(ISmartError, AirflowFailException):
    """The login was refused (a return code of kind login). Trying again can lock the account."""


class ISmartAccountError(ISmartError, AirflowFailException):
    """The account may not send (a return code of kind account). Contact Infocomm."""


class ISmartCreditError(ISmartError):
    """The credit is low, or it or the account has expired (a return code of kind credit)."""


class ISmartCreditTimeoutError(ISmartCreditError, AirflowSensorTimeout):
    """A sensor timed out while the account was still in trouble. Not retried, like all sensor timeouts."""


class ISmartRefusedError(ISmartError, AirflowFailException):
    """The gateway refused with another code, found in ``code``."""


class ISmartUnavailableError(ISmartError):
    """The gateway could not be reached. Rows that are ``not_attempted`` were certainly not sent."""


class ISmartUncertainError(ISmartError):
    """Some calls may or may not have been accepted; the next try sends them again."""


class ISmartUncertainFinalError(ISmartUncertainError, AirflowFailException):
    """Some calls may or may not have been accepted, and a person must decide whether to send them again."""
