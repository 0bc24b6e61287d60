"""The DAG of ``benchmarks/loop.py``: a task that sends to one number at a time, as people first write it."""

from __future__ import annotations

import cProfile
import http.client
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import dag, get_current_context, task
from airflow.sdk.execution_time import task_runner

from airflow_provider_ismart.hooks.ismart import ISmartHook

TEXT = "Your water is off on Monday from 9:00 to 12:00."


class CountingStore:
    """A task state store that counts its reads and writes."""

    def __init__(self, store: Any, counts: Counter[str]) -> None:
        self._store = store
        self._counts = counts

    def get(self, key: str, default: Any = None) -> Any:
        self._counts["reads"] += 1
        return self._store.get(key, default)

    def set(self, key: str, value: Any, **options: Any) -> None:
        self._counts["writes"] += 1
        self._counts["characters"] += len(json.dumps(value))
        self._store.set(key, value, **options)


def _count_requests(counts: Counter[str]) -> None:
    """Count all that the task asks of its supervisor: connections, Variables, secrets to mask and the store."""
    comms: Any = type(task_runner.SUPERVISOR_COMMS)
    send = comms.send

    def counting_send(*args: Any, **options: Any) -> Any:
        counts["requests"] += 1
        return send(*args, **options)

    comms.send = counting_send


@dag(start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), schedule=None)
def loop() -> None:
    @task
    def send_in_a_loop() -> None:
        context: Any = get_current_context()
        store = context["task_state_store"]
        counts: Counter[str] = Counter()
        context["task_state_store"] = CountingStore(store, counts)
        _count_requests(counts)
        profile_path = os.environ.get("LOOP_PROFILE")
        profile = cProfile.Profile()
        gateway = http.client.HTTPConnection("127.0.0.1", int(os.environ["LOOP_GATEWAY_PORT"]))

        def reference() -> None:
            """Make the call and the two writes that no send can do without."""
            for value in range(2):
                store.set("reference", value)
            gateway.request("GET", "/")
            gateway.getresponse().read()

        rows = []
        for number in range(int(os.environ["LOOP_SENDS"])):
            reference_started = time.perf_counter()
            reference()
            counts.clear()
            started = time.perf_counter()
            if profile_path:
                profile.enable()
            ISmartHook("ismart_default").send([f"968{90_000_000 + number}"], TEXT)
            profile.disable()
            took = time.perf_counter() - started
            rows.append({"send": took, "reference": started - reference_started, **counts})
        Path(os.environ["LOOP_RESULTS"]).write_text(json.dumps(rows), encoding="utf-8")
        if profile_path:
            profile.dump_stats(profile_path)

    send_in_a_loop()


loop()
