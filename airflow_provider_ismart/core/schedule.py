"""Read delivery times and quiet hours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.msisdn import is_missing

#: The gateway document: ``MM/DD/YYYY hh:mm:ss``. There is no AM or PM, so hours are 00 to 23.
PUSH_AT_FORMAT = "%m/%d/%Y %H:%M:%S"

#: The shortest time until a scheduled delivery, to allow for slow connections and clock differences: whether the
#: gateway refuses a past time with code 16 is not documented.
LEAST_NOTICE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """The hours in which no message is delivered, in ``timezone``. They do not include ``end``."""

    start: time
    end: time
    timezone: tzinfo

    @classmethod
    def of(cls, text: str, timezone: tzinfo) -> QuietHours:
        """Read text such as ``21:00-08:00``.

        :raises ValueError: the text does not have two different times.
        """
        found = re.fullmatch(r"(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)", text, re.ASCII)
        if not found:
            raise ValueError("not two times")
        hour, minute, end_hour, end_minute = map(int, found.groups())
        hours = cls(start=time(hour, minute), end=time(end_hour, end_minute), timezone=timezone)
        if hours.start == hours.end:
            raise ValueError("the times are equal")
        return hours

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def __contains__(self, moment: datetime) -> bool:
        """Return whether a time with an offset is in the quiet hours."""
        clock = moment.astimezone(self.timezone).time()
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def end_after(self, moment: datetime) -> datetime | None:
        """Return when a message submitted at ``moment`` can be delivered; ``None`` means immediately.

        This is the end of the quiet hours, plus :data:`LEAST_NOTICE` if the end is nearer than that.
        """
        if moment not in self:
            return None
        today = moment.astimezone(self.timezone).date()
        ends = (
            # in UTC, because a clock change can skip or repeat the local time
            datetime.combine(today + timedelta(days), self.end, self.timezone).replace(fold=fold).astimezone(UTC)
            for days in range(4)
            for fold in (0, 1)
        )
        end = min(end for end in ends if end > moment and end not in self)
        if end - moment < LEAST_NOTICE and end + LEAST_NOTICE not in self:
            end += LEAST_NOTICE
        return end.astimezone(self.timezone)


def read_push_at(
    push_at: datetime | str | None, timezone: tzinfo, quiet_hours: QuietHours | None = None
) -> datetime | None:
    """Return the delivery time in ``timezone``; ``None`` means immediately.

    A time without an offset is in ``timezone``.

    :raises InputError: the time cannot be read, or is in the quiet hours.
    """
    if push_at is None:
        return None
    if isinstance(push_at, str):
        try:
            push_at = datetime.fromisoformat(push_at.strip())
        except ValueError:
            raise InputError(f"push_at is {push_at!r}; write it as ISO 8601, such as 2030-01-31T14:30") from None
    if is_missing(push_at):
        raise InputError("push_at is NaT; pass None to send immediately")
    if not isinstance(push_at, datetime):
        raise InputError(f"push_at is of type {type(push_at).__name__}; it must be a datetime or ISO 8601 text")
    try:
        delivery = (push_at if push_at.tzinfo else push_at.replace(tzinfo=timezone)).astimezone(timezone)
    except OverflowError:
        raise InputError(
            f"push_at is {push_at.isoformat()}, which is not in the calendar; set another time"
        ) from None
    if quiet_hours and delivery in quiet_hours:
        raise InputError(
            f"push_at is {delivery.isoformat()}, which is in the connection's quiet_hours ({quiet_hours}); set a "
            "time outside them"
        )
    return delivery
