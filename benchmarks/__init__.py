"""Measure the package: each figure has a reference from the same run, and may have a budget.

``make bench`` runs all benchmarks and updates ``docs/contributing/``; ``python -m benchmarks.planning --help``
shows how to run one of them. They require Linux.
"""

import os
import tempfile

# Importing Airflow writes its configuration into AIRFLOW_HOME, so do not use the user's.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="ismart-benchmarks-"))
