"""Test ``calls_per_second`` by the sandbox's clock."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from airflow_provider_ismart.core.outcomes import Fate, Outcome
from airflow_provider_ismart.exceptions import ISmartUncertainFinalError
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


def test_calls_that_wait_for_the_rate_limit_do_not_start_after_an_uncertain_call(
    ismart_default, ismart_sandbox, send
):
    ismart_default(extra={"calls_per_second": 5, "max_concurrency": 4, "read_timeout": 1})
    ismart_sandbox.fail(None, faults.HttpStatus(status=500), faults.Hang(times=9))
    with pytest.raises(ISmartUncertainFinalError) as error:
        send([f"9689000{number:04d}" for number in range(12)], batch_size=1)
    assert len(ismart_sandbox.calls) == 4  # three uncertain calls in a row stop the send
    counts = error.value.report.outcomes
    assert (counts[Outcome.UNCERTAIN], counts[Outcome.NOT_ATTEMPTED]) == (3, 8)


@pytest.mark.parametrize("wait", ["a back-off", "the rate limit"])
def test_a_call_that_waits_does_not_start_while_the_client_is_paused(wait, client, batch, ismart_sandbox):
    gateway = client(extra={"calls_per_second": 0.5} if wait == "the rate limit" else {})
    if wait == "the rate limit":
        gateway.submit(batch(), flash=False, push_at=None)
    else:
        ismart_sandbox.fail(faults.HttpStatus(status=429, headers={"Retry-After": "1"}))
    threading.Timer(0.3, gateway.paused.set).start()
    outcome = gateway.submit(batch(), flash=False, push_at=None)
    assert (outcome.fate, outcome.is_paused) == (Fate.NOT_SENT, True)
    assert outcome.attempts == (1 if wait == "a back-off" else 0)
    assert len(ismart_sandbox.calls) == 1
    gateway.paused.clear()
    assert gateway.submit(batch(), flash=False, push_at=None).attempts == 1
