from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.schedule import LEAST_NOTICE, QuietHours, read_push_at

MUSCAT = ZoneInfo("Asia/Muscat")
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours.of("21:00-08:00", MUSCAT)
#: Clocks there change by an hour, by half an hour, by two hours, at midnight, and once by a whole day.
ZONES = [
    ZoneInfo(name)
    for name in (
        "Asia/Muscat",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Antarctica/Troll",
        "Africa/Cairo",
        "America/Havana",
        "Pacific/Apia",
    )
]

clock_times = st.times().map(lambda at: at.replace(second=0, microsecond=0))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))


@st.composite
def quiet_hours(draw, zones=ZONES, longest=23 * 60 + 59):
    start = draw(clock_times)
    end = datetime.combine(datetime(2030, 1, 1), start) + timedelta(minutes=draw(st.integers(1, longest)))
    return QuietHours(start=start, end=end.time(), timezone=draw(st.sampled_from(zones)))


def near(hours, draw):
    """Draw moments that are often near an end or a clock change."""
    moment = draw(moments)
    if draw(st.booleans()):
        local = datetime.combine(moment.date(), draw(st.sampled_from([hours.start, hours.end])), hours.timezone)
        moment = local.astimezone(UTC) + timedelta(seconds=draw(st.integers(-150, 150)))
    return moment


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("21:00-08:00", time(21), time(8)),
        ("9:30 - 17:05", time(9, 30), time(17, 5)),
        ("00:00-23:59", time(0), time(23, 59)),
    ],
)
def test_quiet_hours_are_read_from_two_times(text, start, end):
    assert QuietHours.of(text, MUSCAT) == QuietHours(start=start, end=end, timezone=MUSCAT)


@pytest.mark.parametrize(
    "text",
    ["", "25:00-8", "21-08", "21:00", "24:00-08:00", "21:00-08:60", "21:00-21:00", "9:00-09:00", "٢١:٠٠-٠٨:٠٠"],
)
def test_other_texts_are_not_quiet_hours(text):
    with pytest.raises(ValueError, match=r"."):
        QuietHours.of(text, MUSCAT)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2030-01-31T20:59:59+04:00", None),
        ("2030-01-31T21:00:00+04:00", "2030-02-01T08:00:00+04:00"),
        ("2030-01-31T23:59:59.999+04:00", "2030-02-01T08:00:00+04:00"),
        ("2030-02-01T03:00:00+04:00", "2030-02-01T08:00:00+04:00"),
        ("2030-01-31T23:00:00+00:00", "2030-02-01T08:00:00+04:00"),
        ("2030-02-01T07:58:00+04:00", "2030-02-01T08:00:00+04:00"),
        ("2030-02-01T07:58:01+04:00", "2030-02-01T08:02:00+04:00"),
        ("2030-02-01T08:00:00+04:00", None),
    ],
)
def test_a_message_in_quiet_hours_is_delivered_at_their_end_but_not_within_two_minutes(now, end):
    found = NIGHT.end_after(datetime.fromisoformat(now))
    assert (found and found.isoformat()) == end


@pytest.mark.parametrize(
    ("hours", "now", "end"),
    [
        # 2030-03-31, 2:00 becomes 3:00
        ("21:00-08:00", "2030-03-31T00:30:00+01:00", "2030-03-31T08:00:00+02:00"),
        ("21:00-02:30", "2030-03-31T00:30:00+01:00", "2030-03-31T03:30:00+02:00"),
        # 2030-10-27, 3:00 becomes 2:00
        ("21:00-08:00", "2030-10-27T00:30:00+02:00", "2030-10-27T08:00:00+01:00"),
        ("21:00-02:30", "2030-10-27T00:30:00+02:00", "2030-10-27T02:30:00+02:00"),
        ("21:00-02:30", "2030-10-27T02:10:00+01:00", "2030-10-27T02:30:00+01:00"),
    ],
)
def test_a_clock_change_does_not_move_the_end(hours, now, end):
    assert QuietHours.of(hours, BERLIN).end_after(datetime.fromisoformat(now)).isoformat() == end


@given(st.data(), quiet_hours())
def test_a_scheduled_time_is_in_the_future_and_never_quiet(data, hours):
    moment = near(hours, data.draw)
    end = hours.end_after(moment)
    if moment not in hours:
        assert end is None
    else:
        assert end > moment
        assert end not in hours
        assert (end.second, end.microsecond) == (0, 0)


@given(st.data(), quiet_hours(longest=20 * 60))
def test_a_scheduled_time_is_two_minutes_to_a_day_away(data, hours):
    moment = near(hours, data.draw)
    if end := hours.end_after(moment):
        assert LEAST_NOTICE <= end - moment <= timedelta(days=1)


@given(st.data(), quiet_hours(zones=[MUSCAT]))
def test_the_end_is_at_most_a_day_away_without_clock_changes(data, hours):
    moment = near(hours, data.draw)
    if end := hours.end_after(moment):
        assert end - moment <= timedelta(days=1)


@given(moments, quiet_hours(zones=[MUSCAT]))
def test_quiet_hours_follow_the_local_clock(moment, hours):
    minute = moment.astimezone(MUSCAT).strftime("%H:%M")
    start, end = str(hours).split("-")
    is_quiet = start <= minute < end if start < end else not end <= minute < start
    assert (moment in hours) is is_quiet


@pytest.mark.parametrize("push_at", ["2030-01-31T21:00", "2030-02-01T07:59:59", "2030-01-31T20:00:00+00:00"])
def test_a_push_at_in_quiet_hours_is_refused(push_at):
    with pytest.raises(InputError, match=r"push_at is 2030-.* quiet_hours \(21:00-08:00\); set a time"):
        read_push_at(push_at, MUSCAT, NIGHT)


@pytest.mark.parametrize("push_at", [None, "2030-01-31T20:59:59", "2030-02-01T08:00", "9999-12-31T12:00"])
def test_a_push_at_outside_quiet_hours_is_unchanged(push_at):
    assert read_push_at(push_at, MUSCAT, NIGHT) == read_push_at(push_at, MUSCAT)
