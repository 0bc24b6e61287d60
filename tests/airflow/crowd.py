"""Send alerts concurrently, from several processes with several threads each: ``crowd.py PROCESSES THREADS``."""

import os
import sys
import threading
from importlib import import_module
from types import SimpleNamespace

from airflow_provider_ismart.notifications.ismart import ISmartNotifier

import_module("airflow_provider_ismart.sending.send")  # the processes share what each alert imports


def alert(number):
    ti = SimpleNamespace(dag_id="bills", task_id=f"task_{number}", map_index=-1, try_number=1, state="failed")
    ISmartNotifier(recipients="96890000001")({"ti": ti, "run_id": "a_run"})


def start(numbers):
    threads = [threading.Thread(target=alert, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


processes, threads = map(int, sys.argv[1:])
children = []
for process in range(processes):
    child = os.fork()
    if not child:
        start(range(process * threads, (process + 1) * threads))
        os._exit(0)
    children.append(child)
assert not any(os.waitpid(child, 0)[1] for child in children)
