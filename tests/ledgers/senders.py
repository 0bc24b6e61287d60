"""Processes that send for real: run as a script, told what to do in JSON, so that they can be killed.

Each send is a fork of a process that has imported everything, and so takes a moment and not seconds.
"""

import json
import os
import random
import signal
import sys
import time
import urllib.request
from types import SimpleNamespace

from airflow_provider_ismart.hooks.ismart import ISmartHook

#: The first call goes alone, then two at once.
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
    """Send, and kill the process at a random moment; at last let it come to its end."""
    for number in range(1, times + 1):
        pid = send(numbers, try_number=number)
        time.sleep(random.uniform(0, longest))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert succeeds(send(numbers, try_number=times + 1))


def beside_its_retry(numbers, *, url):
    """Freeze a send in the middle of its calls, let its retry come to its end, and thaw it.

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
    """Send overlapping lists from several tasks at once."""
    lists = [random.sample(numbers, k=len(numbers) * 3 // 4) for _ in range(senders)]
    lists[0] = numbers
    pids = [send(chosen, task_id=f"send_{i}", key=key) for i, chosen in enumerate(lists)]
    failed = [pid for pid in pids if not succeeds(pid)]
    assert not failed


if __name__ == "__main__":
    deed, options = json.loads(sys.argv[1])
    {f.__name__: f for f in (killed_again_and_again, beside_its_retry, beside_each_other)}[deed](**options)
