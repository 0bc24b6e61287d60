"""What the package costs, each figure beside its budget and a reference measured in the same run.

``make bench`` runs all of it and refreshes ``docs/contributing/``; ``python -m benchmarks.planning --help`` shows
how to run one alone. They need Linux.
"""

import os
import tempfile

# Importing Airflow writes its configuration into AIRFLOW_HOME: keep it out of the user's own.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="ismart-benchmarks-"))
