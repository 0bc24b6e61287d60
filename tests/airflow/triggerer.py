"""Run triggers in a triggerer of Airflow 3, with connections in Airflow's database, and print their events.

``TEST_CONNECTIONS`` describes the connections. A trigger as of a deferred sensor runs for each of them, at
once, and then another for each, which only a triggerer that still hears from its supervisor gets to run.
"""

import json
import os
import sys
from itertools import count

from airflow.executors.workloads import RunTrigger
from airflow.jobs.job import Job
from airflow.jobs.triggerer_job_runner import TriggerRunnerSupervisor
from airflow.models.connection import Connection
from airflow.models.trigger import Trigger
from airflow.models.variable import Variable
from airflow.utils.session import create_session

from airflow_provider_ismart.triggers.ismart import ISmartCreditTrigger

connections = json.loads(os.environ["TEST_CONNECTIONS"])
ids = count(1)


def trigger_for(conn_id):
    trigger = ISmartCreditTrigger(conn_id, poke_interval=0.1, wait_for="ok", once=True)
    path, options = trigger.serialize()
    kwargs = Trigger.encrypt_kwargs(options)
    return RunTrigger(id=next(ids), classpath=path, encrypted_kwargs=kwargs, ti=None)


with create_session() as session:
    for conn_id, described in connections.items():
        session.add(Connection(conn_id=conn_id, extra="{}", **described))

supervisor = TriggerRunnerSupervisor.start(job=Job(id=1), capacity=10)
codes = []
try:
    for seen in (len(connections), 2 * len(connections)):
        supervisor.creating_triggers.extend(map(trigger_for, connections))
        while len(codes) < seen:
            assert supervisor.is_alive(), "the triggerer's subprocess has died"
            assert not supervisor.failed_triggers, supervisor.failed_triggers
            supervisor._service_subprocess(1)
            while supervisor.events:
                codes.append(supervisor.events.popleft()[1].payload["code"])
finally:
    supervisor.kill(force=True)

with create_session() as session:
    names = [variable.key for variable in session.query(Variable) if variable.key.startswith("ismart_login_")]
sys.stdout.write(f"codes and names: {json.dumps([codes, names])}\n")
