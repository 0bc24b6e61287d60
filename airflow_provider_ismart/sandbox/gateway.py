"""Apply the gateway's rules: choose the return code for a call and the state of the account.

This module uses no socket and no clock. The gateway document lists the codes and their causes, but not the order
of validation. The sandbox's order reports first what a user should correct first:

1. the format of the call (15);
2. the login (17, 12, 3);
3. the account (2, 7, 13, 18, 20, 21, 19, 14, and 4 for a probe without credit);
4. the recipients (8, 15 for more than 50, 9, 23), so that ``MobileNo=1`` proves a login;
5. the message (5, 10, 6, 16, 22);
6. the cost (4).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from functools import cached_property
from typing import Final
from urllib.parse import unquote_to_bytes

from .account import MUSCAT, Account
from .segmentation import MAX_PARTS, Lang, as_shown, count_parts

PATH: Final = "/iBulkSMS/HttpWS/SMSDynamicAPI.aspx"
MAX_NUMBERS: Final = 50
#: A call to this number is refused before dispatch, so it costs nothing. Clients use it to check a login.
PROBE: Final = "1"


class Code(IntEnum):
    """The return codes of the gateway document, and 21, which newer documents reportedly have."""

    PUSHED = 1
    COMPANY_DOES_NOT_EXIST = 2
    USER_OR_PASSWORD_IS_WRONG = 3
    CREDIT_IS_LOW = 4
    MESSAGE_IS_BLANK = 5
    MESSAGE_LENGTH_EXCEEDED = 6
    ACCOUNT_IS_INACTIVE = 7
    MOBILE_NUMBER_IS_EMPTY = 8
    INVALID_MOBILE_NUMBER = 9
    INVALID_LANGUAGE = 10
    UNKNOWN_ERROR = 11
    ACCOUNT_IS_BLOCKED = 12
    ACCOUNT_EXPIRED = 13
    CREDIT_EXPIRED = 14
    INVALID_REQUEST = 15
    INVALID_DATE_TIME = 16
    USER_ID_NOT_REGISTERED = 17
    NOT_REGISTERED_FOR_HTTP_GET = 18
    HEADER_NOT_REGISTERED = 19
    CLIENT_IP_BLOCKED = 20
    CLIENT_OUTSIDE_OMAN = 21
    WRONG_FLASH_PARAMETER = 22
    MOBILE_NUMBER_OPTED_OUT = 23


#: The document does not list ``Header``, but account holders report it.
PARAMETERS: Final = frozenset(
    {"UserId", "Password", "MobileNo", "Message", "PushDateTime", "Lang", "FLashSMS", "Header"}
)
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NUMBERS: Final = re.compile(r"[0-9]{11}(?:,[0-9]{11})*")
_PUSH_DATE_TIME: Final = re.compile(r"[0-9]{2}/[0-9]{2}/[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}")


def parse_query(raw: bytes) -> dict[str, str] | None:
    """Parse a raw query string; return ``None`` if the gateway rejects it.

    It rejects invalid escapes, invalid UTF-8, unknown or repeated names, and a missing login.
    """
    parameters: dict[str, str] = {}
    for pair in filter(None, raw.split(b"&")):
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        if _BROKEN_ESCAPE.search(pair):
            return None
        try:
            key = unquote_to_bytes(name).decode()
            text = unquote_to_bytes(value).decode()
        except UnicodeDecodeError:
            return None
        if key in parameters or key not in PARAMETERS:
            return None
        parameters[key] = text
    return parameters if parameters.keys() >= {"UserId", "Password"} else None


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A call with a valid login, and the values that the rules check."""

    account: Account
    parameters: Mapping[str, str]
    now: datetime

    @property
    def mobile_no(self) -> str:
        """``MobileNo`` as sent."""
        return self.parameters.get("MobileNo", "")

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The mobile numbers, one message each."""
        return tuple(self.mobile_no.split(","))

    @cached_property
    def lang(self) -> Lang | None:
        """The language; ``None`` if it is not documented."""
        return _LANGS.get(self.parameters.get("Lang", ""))

    @cached_property
    def text(self) -> str:
        """The message as the phone shows it."""
        return as_shown(self.parameters.get("Message", ""), self.lang or Lang.ENGLISH)

    @cached_property
    def parts(self) -> int:
        """The number of parts of the message."""
        return count_parts(self.text, self.lang or Lang.ENGLISH)

    @property
    def cost(self) -> int:
        """The cost of the call, in credits."""
        return self.parts * len(self.numbers)

    @property
    def push_date_time(self) -> str | None:
        """``PushDateTime`` as sent."""
        return self.parameters.get("PushDateTime")

    @cached_property
    def push_at(self) -> datetime | None:
        """The delivery time; ``None`` if it is missing or not in the documented format."""
        if self.push_date_time is None or not _PUSH_DATE_TIME.fullmatch(self.push_date_time):
            return None
        try:
            return datetime.strptime(self.push_date_time, "%m/%d/%Y %H:%M:%S").replace(tzinfo=MUSCAT)
        except ValueError:  # such as 31 February or 25:00
            return None

    @property
    def flash(self) -> str | None:
        """``FLashSMS`` as sent."""
        return self.parameters.get("FLashSMS")

    @property
    def header(self) -> str | None:
        """The sender id as sent."""
        return self.parameters.get("Header")


_LANGS: Final = {str(int(lang)): lang for lang in Lang}


def _is_past(moment: datetime | None, call: Submission) -> bool:
    return moment is not None and call.now >= moment


def _has_unknown_header(call: Submission) -> bool:
    known = call.account.headers
    return not call.account.header_registered or bool(
        known and call.header is not None and call.header not in known
    )


def _probes_without_credit(call: Submission) -> bool:
    return call.account.probe_sees_credit and call.mobile_no == PROBE and call.account.credit == 0


#: The rules in the order of validation. The first one that applies decides the return code.
RULES: Final[tuple[tuple[Code, Callable[[Submission], bool]], ...]] = (
    (Code.COMPANY_DOES_NOT_EXIST, lambda call: not call.account.company_exists),
    (Code.ACCOUNT_IS_INACTIVE, lambda call: not call.account.active),
    (Code.ACCOUNT_EXPIRED, lambda call: _is_past(call.account.expires_at, call)),
    (Code.NOT_REGISTERED_FOR_HTTP_GET, lambda call: not call.account.http_get_enabled),
    (Code.CLIENT_IP_BLOCKED, lambda call: not call.account.ip_allowed),
    (Code.CLIENT_OUTSIDE_OMAN, lambda call: not call.account.client_in_oman),
    (Code.HEADER_NOT_REGISTERED, _has_unknown_header),
    (Code.CREDIT_EXPIRED, lambda call: _is_past(call.account.credit_expires_at, call)),
    (Code.CREDIT_IS_LOW, _probes_without_credit),
    (Code.MOBILE_NUMBER_IS_EMPTY, lambda call: not call.mobile_no),
    (Code.INVALID_REQUEST, lambda call: len(call.numbers) > MAX_NUMBERS),
    (Code.INVALID_MOBILE_NUMBER, lambda call: not _NUMBERS.fullmatch(call.mobile_no)),
    (Code.INVALID_MOBILE_NUMBER, lambda call: not call.account.bad_numbers.isdisjoint(call.numbers)),
    (Code.MOBILE_NUMBER_OPTED_OUT, lambda call: not call.account.opted_out.isdisjoint(call.numbers)),
    (Code.MESSAGE_IS_BLANK, lambda call: not call.text.strip()),
    (Code.INVALID_LANGUAGE, lambda call: call.lang is None),
    (Code.MESSAGE_LENGTH_EXCEEDED, lambda call: call.parts > MAX_PARTS),
    (Code.INVALID_DATE_TIME, lambda call: call.push_date_time is not None and call.push_at is None),
    (Code.WRONG_FLASH_PARAMETER, lambda call: call.flash not in {"Y", "N"}),
    (Code.CREDIT_IS_LOW, lambda call: call.cost > call.account.credit),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The answer to a call, the account after the call and, for code 1, the accepted call."""

    code: Code
    account: Account
    accepted: Submission | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """The only login that the gateway accepts."""

    user: str
    password: str


def judge(
    parameters: Mapping[str, str] | None, *, credentials: Credentials, account: Account, now: datetime
) -> Verdict:
    """Return the answer to a call. ``parameters`` is ``None`` if the call could not be parsed."""
    if parameters is None:
        return Verdict(code=Code.INVALID_REQUEST, account=account)
    refusal, account = _log_in(parameters, credentials, account)
    if refusal is not None:
        return Verdict(code=refusal, account=account)
    call = Submission(account=account, parameters=parameters, now=now)
    for code, broken in RULES:
        if broken(call):
            return Verdict(code=code, account=account)
    return Verdict(code=Code.PUSHED, account=replace(account, credit=account.credit - call.cost), accepted=call)


def _log_in(
    parameters: Mapping[str, str], credentials: Credentials, account: Account
) -> tuple[Code | None, Account]:
    if parameters["UserId"] != credentials.user:
        return Code.USER_ID_NOT_REGISTERED, account
    if account.locked:
        return Code.ACCOUNT_IS_BLOCKED, account
    if parameters["Password"] != credentials.password:
        failed = account.failed_logins + 1
        locked = failed >= account.max_failed_logins
        return Code.USER_OR_PASSWORD_IS_WRONG, replace(account, failed_logins=failed, locked=locked)
    return None, replace(account, failed_logins=0) if account.failed_logins else account
