"""Describe the gateway's return codes: their meaning, their kind, and what to do.

Source: the gateway document, "Return codes".
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

ACCEPTED_CODE = 1

#: Codes that the gateway document lacks. According to account holders, newer documents of the vendor list them.
SECOND_HAND_CODES = frozenset({21, 24, 25})


class Kind(Enum):
    """The subject of a return code. It decides how the send continues."""

    ACCEPTED = "accepted"
    LOGIN = "login"
    ACCOUNT = "account"
    CREDIT = "credit"
    MESSAGE = "message"
    RECIPIENT = "recipient"
    REQUEST = "request"
    UNCERTAIN = "uncertain"
    UNKNOWN = "unknown"


class ReturnCode(NamedTuple):
    """A return code: its number, its description in the gateway document, its kind, and what to do (``help``)."""

    number: int
    description: str
    kind: Kind
    help: str

    def __str__(self) -> str:
        return f"return code {self.number} ({self.description}). {self.help}"


_ASK_INFOCOMM = "Ask Infocomm (support@ismartsms.net)"

RETURN_CODES: dict[int, ReturnCode] = {
    number: ReturnCode(number=number, kind=kind, description=description, help=help_)
    for number, kind, description, help_ in [
        (ACCEPTED_CODE, Kind.ACCEPTED, "Message pushed successfully", "The gateway accepted the message."),
        (2, Kind.ACCOUNT, "Company does not exist", f"{_ASK_INFOCOMM} whether the account still exists."),
        (
            3,
            Kind.LOGIN,
            "User or password is wrong",
            "Correct the login and password before anything runs again: repeated refusals lock the account (12).",
        ),
        (4, Kind.CREDIT, "Credit is low", "Buy credit from Infocomm, then retry or clear the task."),
        (5, Kind.MESSAGE, "Message is blank", "Set a message text."),
        (6, Kind.MESSAGE, "Message length exceeded", "Shorten the text: five parts are the most."),
        (7, Kind.ACCOUNT, "Account is inactive", f"{_ASK_INFOCOMM} to activate the account."),
        (8, Kind.RECIPIENT, "Mobile number is empty", "Remove empty numbers from the recipients."),
        (
            9,
            Kind.RECIPIENT,
            "Invalid mobile number",
            "Correct the number: 11 digits; in Oman, 968 followed by 8 digits.",
        ),
        (10, Kind.MESSAGE, "Invalid language", "Lang must be 0 (English) or 64 (Arabic)."),
        (
            11,
            Kind.UNCERTAIN,
            "Unknown error",
            "The gateway may have accepted the message: ask Infocomm before sending it again.",
        ),
        (
            12,
            Kind.LOGIN,
            "Account is blocked by the administrator: concurrent failures of login",
            f"{_ASK_INFOCOMM} to unlock the account, and correct the password before anything runs again.",
        ),
        (13, Kind.CREDIT, "Account expired", f"{_ASK_INFOCOMM} to renew the account."),
        (14, Kind.CREDIT, "Credit expired", "Buy or renew credit from Infocomm, then retry or clear the task."),
        (
            15,
            Kind.REQUEST,
            "Invalid HTTP request, or parameter fields are wrong",
            "Check the path and host of the connection: another endpoint expects other parameters.",
        ),
        (
            16,
            Kind.MESSAGE,
            "Invalid date-time parameter",
            "Check push_at and the connection's time zone.",
        ),
        (
            17,
            Kind.LOGIN,
            "Web-service user id not registered",
            "Correct the connection's login: it must be the web service's user id, not the portal's.",
        ),
        (
            18,
            Kind.ACCOUNT,
            "User not registered to use the HTTP GET method",
            f"{_ASK_INFOCOMM} to allow the HTTP GET method.",
        ),
        (
            19,
            Kind.ACCOUNT,
            "Header (sender id) not registered with Infocomm",
            f"{_ASK_INFOCOMM} to register the sender id, or check the connection's extra header (second-hand).",
        ),
        (
            20,
            Kind.ACCOUNT,
            "Client IP address has been blocked",
            f"{_ASK_INFOCOMM} to allow-list this machine's public IP address.",
        ),
        (
            21,
            Kind.ACCOUNT,
            "Client address is outside Oman",
            f"{_ASK_INFOCOMM} to allow this machine's public IP address, or send from a machine in Oman.",
        ),
        (22, Kind.MESSAGE, "Wrong flash parameter (must be Y or N)", "flash must be True or False."),
        (
            23,
            Kind.RECIPIENT,
            "Mobile number opted out by the customer",
            "Remove the number: its owner has opted out of messages.",
        ),
        (24, Kind.RECIPIENT, "More than 50 numbers in one call", "Lower batch_size."),
        (25, Kind.ACCOUNT, "API expired", f"{_ASK_INFOCOMM} to renew access to the API."),
    ]
}


def return_code(number: int) -> ReturnCode:
    """Look up a return code. A number that is not in the table is of kind ``UNKNOWN``, never a success."""
    return RETURN_CODES.get(number) or ReturnCode(
        number=number,
        kind=Kind.UNKNOWN,
        description="not in the gateway document",
        help=f"{_ASK_INFOCOMM} what it means.",
    )
