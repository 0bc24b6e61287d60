"""Send in real processes, which can be killed: run as a script, with its task as JSON.

Each deed, and each send in it, is a fork of a process that has imported everything, and so takes a moment and not
seconds.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import urllib.request
from types import SimpleNamespace

import airflow_provider_ismart.gateway.client
import airflow_provider_ismart.ledgers.sql  # noqa: F401  # a send would import these late, and each fork anew
from airflow_provider_ismart.hooks.ismart import ISmartHook

#: The first call goes alone, then two concurrently.
IN_FULL_FLIGHT = 3

TASK = SimpleNamespace(dag_id="dag", run_id="run", task_id="send", map_index=-1)


def send(numbers, *, try_number=1, task_id="send", key=None):
    """Fork a process that sends; return its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        task_instance = SimpleNamespace(**vars(TASK) | {"task_id": task_id, "try_number": try_number})
        ISmartHook().submit(
            numbers,
            {"message": "Hello", "batch_size": 10, "on_uncertain": "accept"},
            {"ti": task_instance},
            ledger_conn_id="ledger",
            idempotency_key=key,
        )
    except Exception as error:  # noqa: BLE001  # whatever it is, the test is to see it
        sys.stdout.write(f"{type(error).__name__}: {error}\n")
        sys.stdout.flush()
        os._exit(1)
    os._exit(0)


def succeeds(pid):
    return os.waitpid(pid, 0)[1] == 0


def killed_again_and_again(numbers, *, times, longest):
    """Send, and kill the process at random moments; finally let it finish."""
    for number in range(1, times + 1):
        pid = send(numbers, try_number=number)
        time.sleep(random.uniform(0, longest))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert succeeds(send(numbers, try_number=times + 1))


def beside_its_retry(numbers, *, url):
    """Freeze a send in the middle of its calls, let its retry finish, and resume it.

    A call takes its time then, so that it is not frozen while it holds the ledger.
    """
    zombie = send(numbers)
    while len(json.load(urllib.request.urlopen(f"{url}/calls"))) < IN_FULL_FLIGHT:
        time.sleep(0.005)
    os.kill(zombie, signal.SIGSTOP)
    quick = json.dumps({"latency": 0}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{url}/account", data=quick, method="PATCH")).close()
    assert succeeds(send(numbers, try_number=2))
    os.kill(zombie, signal.SIGCONT)
    assert not succeeds(zombie)


def beside_each_other(numbers, *, senders, key):
    """Send overlapping lists from several tasks concurrently."""
    lists = [random.sample(numbers, k=len(numbers) * 3 // 4) for _ in range(senders)]
    lists[0] = numbers
    pids = [send(chosen, task_id=f"send_{i}", key=key) for i, chosen in enumerate(lists)]
    failed = [pid for pid in pids if not succeeds(pid)]
    assert not failed


DEEDS = {deed.__name__: deed for deed in (killed_again_and_again, beside_its_retry, beside_each_other)}
DEED_SECONDS = 120


def do(deed, options, environment):
    """Run an action in a fork; return its exit status, 0 for success, and its output."""
    with tempfile.TemporaryFile() as said:
        pid = os.fork()
        if not pid:
            os.dup2(said.fileno(), sys.stdout.fileno())
            os.dup2(said.fileno(), sys.stderr.fileno())
            signal.alarm(DEED_SECONDS)
            os.environ |= environment
            status = 1
            try:
                DEEDS[deed](**options)
                status = 0
            except BaseException:  # noqa: BLE001  # whatever it is, the test is to see it
                traceback.print_exc()
            sys.stdout.flush()
            os._exit(status)
        ended = os.waitpid(pid, 0)[1]
        said.seek(0)
        return ended, said.read().decode()


if __name__ == "__main__":
    for line in sys.stdin:
        answer = json.dumps(do(*json.loads(line)))
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
