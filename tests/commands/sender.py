"""Send in a task in its own process, so that it can be killed: ``python -m tests.commands.sender``.

The arguments are the task's id, the idempotency key or an empty text, and how many numbers.
"""

import sys
from types import SimpleNamespace

from airflow_provider_ismart.exceptions import ISmartError
from airflow_provider_ismart.hooks.ismart import ISmartHook
from tests.ledgers.backings import numbers

if __name__ == "__main__":
    task_id, key, count = sys.argv[1:]
    task = SimpleNamespace(dag_id="dag", run_id="run", task_id=task_id, map_index=-1, try_number=1)
    try:
        ISmartHook().submit(
            numbers(int(count)),
            {"message": "Hello", "batch_size": 1},
            {"ti": task},
            ledger_conn_id="ledger",
            idempotency_key=key or None,
        )
    except ISmartError as error:
        sys.exit(str(error))
