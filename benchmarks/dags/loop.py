"""Send to one number at a time in a task, as people first write it; ``benchmarks/loop.py`` runs this DAG."""

from __future__ import annotations

import cProfile
import http.client
import json
import os
import time
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import dag, get_current_context, task

from airflow_provider_ismart.hooks.ismart import ISmartHook

TEXT = "Your water is off on Monday from 9:00 to 12:00."


@dag(start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), schedule=None)
def loop() -> None:
    @task
    def send_in_a_loop() -> None:
        context: Any = get_current_context()
        store = context["task_state_store"]
        profile_path = os.environ.get("LOOP_PROFILE")
        profile = cProfile.Profile()
        gateway = http.client.HTTPConnection("127.0.0.1", int(os.environ["LOOP_GATEWAY_PORT"]))

        def reference() -> None:
            """Make the call and the two writes that every send needs."""
            for value in range(2):
                store.set("reference", value)
            gateway.request("GET", "/")
            gateway.getresponse().read()

        rows = []
        for number in range(int(os.environ["LOOP_SENDS"])):
            reference_started = time.perf_counter()
            reference()
            started, cpu_started = time.perf_counter(), time.process_time()
            if profile_path:
                profile.enable()
            ISmartHook("ismart_default").send([f"968{90_000_000 + number}"], TEXT)
            profile.disable()
            took, cpu = time.perf_counter() - started, time.process_time() - cpu_started
            rows.append({"send": took, "reference": started - reference_started, "cpu": cpu})
        Path(os.environ["LOOP_RESULTS"]).write_text(json.dumps(rows), encoding="utf-8")
        if profile_path:
            profile.dump_stats(profile_path)

    send_in_a_loop()


loop()
