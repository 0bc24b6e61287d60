"""The command line: ``python -m airflow_provider_ismart`` and, on Airflow 3.2 and later, ``airflow ismart``."""
