"""Run the command line: ``python -m airflow_provider_ismart --help``."""

import sys

from airflow_provider_ismart.commands.python_cli import main

if __name__ == "__main__":
    sys.exit(main())
