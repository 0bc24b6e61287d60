"""What the return codes mean: the gateway document's words, and what in the sandbox gives them."""

from collections.abc import Mapping
from typing import Final

from .gateway import MAX_NUMBERS, Code
from .segmentation import MAX_PARTS

MEANINGS: Final[Mapping[Code, str]] = {
    Code.PUSHED: "Message pushed successfully.",
    Code.COMPANY_DOES_NOT_EXIST: "Company does not exist. The account's setting company_exists is off.",
    Code.USER_OR_PASSWORD_IS_WRONG: "User or password is wrong. Repeated wrong passwords lock the account.",
    Code.CREDIT_IS_LOW: "Credit is low. A call costs its parts times its numbers.",
    Code.MESSAGE_IS_BLANK: "Message is blank.",
    Code.MESSAGE_LENGTH_EXCEEDED: f"Message length exceeded. A text can have {MAX_PARTS} parts.",
    Code.ACCOUNT_IS_INACTIVE: "Account is inactive. The account's setting active is off.",
    Code.MOBILE_NUMBER_IS_EMPTY: "Mobile number is empty.",
    Code.INVALID_MOBILE_NUMBER: "Invalid mobile number. One is not 11 digits, or is in the account's bad_numbers.",
    Code.INVALID_LANGUAGE: "Invalid language. Lang must be 0 (English) or 64 (Arabic).",
    Code.UNKNOWN_ERROR: "Unknown error. The message was perhaps accepted, perhaps not.",
    Code.ACCOUNT_IS_BLOCKED: "Account is blocked after failed logins. Unlock it in the account's settings.",
    Code.ACCOUNT_EXPIRED: "Account expired. The account's expires_at is past.",
    Code.CREDIT_EXPIRED: "Credit expired. The account's credit_expires_at is past.",
    Code.INVALID_REQUEST: (
        f"Invalid HTTP request, or parameter fields are wrong: an unknown or repeated parameter, no login, "
        f"a method other than GET, or more than {MAX_NUMBERS} numbers."
    ),
    Code.INVALID_DATE_TIME: "Invalid date-time parameter. PushDateTime must be MM/DD/YYYY hh:mm:ss.",
    Code.USER_ID_NOT_REGISTERED: "Web-service user id not registered. The sandbox knows one UserId.",
    Code.NOT_REGISTERED_FOR_HTTP_GET: (
        "User not registered to use the HTTP GET method. The account's setting http_get_enabled is off."
    ),
    Code.HEADER_NOT_REGISTERED: (
        "Header (sender id) not registered. It is not in the account's headers, or header_registered is off."
    ),
    Code.CLIENT_IP_BLOCKED: "Client IP address has been blocked. The account's setting ip_allowed is off.",
    Code.CLIENT_OUTSIDE_OMAN: "Client is outside Oman. The account's setting client_in_oman is off.",
    Code.WRONG_FLASH_PARAMETER: "Wrong flash parameter. FLashSMS must be Y or N.",
    Code.MOBILE_NUMBER_OPTED_OUT: "Mobile number opted out by the customer. It is in the account's opted_out.",
}


def explain(code: int) -> str:
    """Say what a return code means."""
    return MEANINGS[Code(code)] if code in set(Code) else "The gateway's document does not list this code."
