"""Test the metrics that a local StatsD server receives from Airflow."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_ismart.sandbox import faults

SENDER = Path(__file__).with_name("metrics_sender.py")

pytestmark = pytest.mark.usefixtures("ismart_default")


@pytest.fixture(scope="module")
def server():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        yield server


@pytest.fixture
def statsd(server):
    heard(server)
    return server


@pytest.fixture(scope="module")
def sender(server):
    metrics = {
        "STATSD_ON": "True",
        "STATSD_HOST": "127.0.0.1",
        "STATSD_PORT": str(server.getsockname()[1]),
        "METRICS_ALLOW_LIST": "ismart",  # nothing of the rest, which can overflow the socket's buffer
    }
    environment = os.environ | {f"AIRFLOW__METRICS__{key}": value for key, value in metrics.items()}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SENDER.parent), *sys.path]))
    process = subprocess.Popen(
        [sys.executable, SENDER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.communicate()


@pytest.fixture
def send(sender, statsd):
    """Send to a number of recipients, one of them invalid; return the outcomes and the received metrics."""

    def run(numbers, **settings):
        environment = {f"AIRFLOW__METRICS__{key}": value for key, value in settings.items()}
        environment["AIRFLOW_CONN_ISMART_DEFAULT"] = os.environ["AIRFLOW_CONN_ISMART_DEFAULT"]
        sender.stdin.write(json.dumps([numbers, environment]) + "\n")
        sender.stdin.flush()
        answer = sender.stdout.readline()
        assert answer, "the sender has failed"
        return json.loads(answer), heard(statsd)

    return run


def heard(statsd):
    """Return this package's metrics, with the sum of each counter and the number of each timing."""
    metrics = {}
    while True:
        try:
            name, value = statsd.recv(1024).decode().split(":", 1)
        except BlockingIOError:
            return metrics
        if name.startswith("airflow.ismart."):
            metric, amount = name.removeprefix("airflow.ismart."), value.removesuffix("|c")
            metrics[metric] = metrics.get(metric, 0) + (int(amount) if amount != value else 1)


def test_a_send_counts_numbers_calls_and_retries(send, ismart_sandbox):
    ismart_sandbox.fail(faults.HttpStatus(status=429, times=2))
    ismart_sandbox.fail(faults.Latency(seconds=0))  # the third attempt at the first call gets through
    ismart_sandbox.fail(faults.Garbage())
    outcomes, metrics = send(100)
    assert (outcomes["accepted"], outcomes["uncertain"]) == (50, 50)
    assert metrics == {
        "numbers.accepted": 50,
        "numbers.uncertain": 50,
        "numbers.invalid": 1,
        "calls.code_1": 1,
        "calls.uncertain": 1,
        "call_duration": 2,
        "retries": 2,
        "probes.code_9": 1,
    }


def test_an_unreachable_gateway_is_counted(send, ismart_sandbox, ismart_default):
    ismart_default(port=1)
    _, metrics = send(5)
    assert (metrics["calls.not_sent"], metrics["numbers.not_attempted"], metrics["probes.not_sent"]) == (1, 5, 1)


def test_failing_metrics_leave_every_outcome_known(send, ismart_sandbox):
    outcomes, metrics = send(30, STAT_NAME_HANDLER="broken_metric_names.name_all_but_ours")
    assert (outcomes["accepted"], outcomes["uncertain"], metrics) == (30, 0, {})
    assert len(ismart_sandbox.messages) == 30
