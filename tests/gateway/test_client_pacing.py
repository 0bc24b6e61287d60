"""Test ``calls_per_second`` by the sandbox's clock."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from airflow_provider_ismart.sandbox import faults

#: How much earlier or later than it left a call may be seen to arrive, in seconds.
JITTER = 0.08
#: A busy machine can delay a call for longer, so one of so many measurements must be right.
MEASUREMENTS = 3


@pytest.fixture
def arrivals(ismart_sandbox):
    """Return the times at which the sandbox saw the calls."""
    return lambda: sorted(datetime.fromisoformat(call.at) for call in ismart_sandbox.calls)


def _most_within(times, seconds):
    window = timedelta(seconds=seconds)
    return max(sum(start <= time < start + window for time in times) for start in times)


@pytest.mark.parametrize(("pace", "threads", "count"), [(10, 4, 16), (3, 2, 5), (25, 8, 40)])
def test_calls_per_second_is_never_exceeded(pace, threads, count, client, batch, arrivals):
    gateway, most = client(extra={"calls_per_second": pace}), []
    with ThreadPoolExecutor(threads) as pool:
        while len(most) < MEASUREMENTS and min(most, default=pace + 1) > pace:
            list(pool.map(lambda _: gateway.submit(batch(), flash=False, push_at=None), range(count)))
            times = arrivals()[-count:]
            most.append(_most_within(times, 1 - JITTER))
    assert min(most) <= pace, most
    assert len(arrivals()) == count * len(most)
    assert times[-1] - times[0] < timedelta(seconds=2 * count / pace + 2)  # nor is it much slower


def test_retries_also_respect_calls_per_second(client, batch, arrivals, ismart_sandbox, quick_back_off):
    gateway, shortest = client(extra={"calls_per_second": 5}), []
    least = timedelta(seconds=0.2 - JITTER)
    while len(shortest) < MEASUREMENTS and max(shortest, default=timedelta()) < least:
        ismart_sandbox.fail(faults.HttpStatus(status=429, times=3))
        gateway.submit(batch(), flash=False, push_at=None)
        times = arrivals()[-4:]
        shortest.append(min(after - before for before, after in pairwise(times)))
    assert max(shortest) >= least, shortest
    assert len(arrivals()) == 4 * len(shortest)


def test_calls_are_not_delayed_without_a_rate_limit(client, batch, arrivals):
    gateway = client()
    for _ in range(40):
        gateway.submit(batch(), flash=False, push_at=None)
    times = arrivals()
    assert times[-1] - times[0] < timedelta(seconds=2)
