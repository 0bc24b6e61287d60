"""Read the delivery time of a message."""

from __future__ import annotations

from datetime import datetime, tzinfo

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.msisdn import is_missing

#: The gateway document: ``MM/DD/YYYY hh:mm:ss``. The clock has 24 hours, because there is no AM or PM.
PUSH_AT_FORMAT = "%m/%d/%Y %H:%M:%S"


def read_push_at(push_at: datetime | str | None, timezone: tzinfo) -> datetime | None:
    """Return the time of delivery in ``timezone``; ``None`` means immediately.

    A naive time, or text without an offset, is read in ``timezone``.

    :raises InputError: the time cannot be read.
    """
    if push_at is None:
        return None
    if isinstance(push_at, str):
        try:
            push_at = datetime.fromisoformat(push_at.strip())
        except ValueError:
            raise InputError(f"push_at is {push_at!r}; write it as ISO 8601, such as 2030-01-31T14:30") from None
    if is_missing(push_at):
        raise InputError("push_at is NaT; leave it out to send immediately")
    if not isinstance(push_at, datetime):
        raise InputError(f"push_at is a {type(push_at).__name__}; it can be a datetime or ISO 8601 text")
    try:
        return (push_at if push_at.tzinfo else push_at.replace(tzinfo=timezone)).astimezone(timezone)
    except OverflowError:
        raise InputError(f"push_at is {push_at.isoformat()}, which is outside the calendar") from None
