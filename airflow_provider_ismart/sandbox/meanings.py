"""Explain the return codes, in the words of the gateway document, and why the sandbox returns them."""

from collections.abc import Mapping
from typing import Final

from .gateway import MAX_NUMBERS, Code
from .segmentation import MAX_PARTS

MEANINGS: Final[Mapping[Code, str]] = {
    Code.PUSHED: "Message pushed successfully.",
    Code.COMPANY_DOES_NOT_EXIST: "Company does not exist.",
    Code.USER_OR_PASSWORD_IS_WRONG: "User or password is wrong.",
    Code.CREDIT_IS_LOW: "Credit is low.",
    Code.MESSAGE_IS_BLANK: "Message is blank.",
    Code.MESSAGE_LENGTH_EXCEEDED: "Message length exceeded.",
    Code.ACCOUNT_IS_INACTIVE: "Account is inactive.",
    Code.MOBILE_NUMBER_IS_EMPTY: "Mobile number is empty.",
    Code.INVALID_MOBILE_NUMBER: "Invalid mobile number.",
    Code.INVALID_LANGUAGE: "Invalid language.",
    Code.UNKNOWN_ERROR: "Unknown error: the message may have been accepted.",
    Code.ACCOUNT_IS_BLOCKED: "Account is blocked after failed logins.",
    Code.ACCOUNT_EXPIRED: "Account expired.",
    Code.CREDIT_EXPIRED: "Credit expired.",
    Code.INVALID_REQUEST: "Invalid HTTP request, or parameter fields are wrong.",
    Code.INVALID_DATE_TIME: "Invalid date-time parameter.",
    Code.USER_ID_NOT_REGISTERED: "Web-service user id not registered.",
    Code.NOT_REGISTERED_FOR_HTTP_GET: "User not registered to use the HTTP GET method.",
    Code.HEADER_NOT_REGISTERED: "Header (sender id) not registered.",
    Code.CLIENT_IP_BLOCKED: "Client IP address has been blocked.",
    Code.CLIENT_OUTSIDE_OMAN: "Client is outside Oman.",
    Code.WRONG_FLASH_PARAMETER: "Wrong flash parameter.",
    Code.MOBILE_NUMBER_OPTED_OUT: "Mobile number opted out by the customer.",
}
#: The causes, where the meanings do not mention them. Settings are those of `account.Account`.
CAUSES: Final[Mapping[Code, str]] = {
    Code.COMPANY_DOES_NOT_EXIST: "The setting company_exists is off.",
    Code.USER_OR_PASSWORD_IS_WRONG: "Repeated wrong passwords lock the account.",
    Code.CREDIT_IS_LOW: "A call costs its parts times its numbers.",
    Code.MESSAGE_LENGTH_EXCEEDED: f"A text can have {MAX_PARTS} parts.",
    Code.ACCOUNT_IS_INACTIVE: "The setting active is off.",
    Code.INVALID_MOBILE_NUMBER: "One is not 11 digits, or is in the setting bad_numbers.",
    Code.INVALID_LANGUAGE: "Lang must be 0 (English) or 64 (Arabic).",
    Code.ACCOUNT_IS_BLOCKED: "Turn the setting locked off.",
    Code.ACCOUNT_EXPIRED: "The setting expires_at is past.",
    Code.CREDIT_EXPIRED: "The setting credit_expires_at is past.",
    Code.INVALID_REQUEST: (
        f"An unknown or repeated parameter, no login, a method other than GET, or more than {MAX_NUMBERS} numbers."
    ),
    Code.INVALID_DATE_TIME: "PushDateTime must be MM/DD/YYYY hh:mm:ss.",
    Code.USER_ID_NOT_REGISTERED: "The sandbox knows one UserId.",
    Code.NOT_REGISTERED_FOR_HTTP_GET: "The setting http_get_enabled is off.",
    Code.HEADER_NOT_REGISTERED: "It is not in the setting headers, or header_registered is off.",
    Code.CLIENT_IP_BLOCKED: "The setting ip_allowed is off.",
    Code.CLIENT_OUTSIDE_OMAN: "The setting client_in_oman is off.",
    Code.WRONG_FLASH_PARAMETER: "FLashSMS must be Y or N.",
    Code.MOBILE_NUMBER_OPTED_OUT: "It is in the setting opted_out.",
}


def explain(code: int, *, by_rules: bool) -> str:
    """Return the meaning of a return code and, if the sandbox's rules chose it, the cause."""
    if code not in set(Code):
        return "The gateway document does not list this code."
    cause = CAUSES.get(Code(code)) if by_rules else None
    return " ".join(filter(None, (MEANINGS[Code(code)], cause)))
