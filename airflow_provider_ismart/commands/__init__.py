"""Run the command line: ``python -m airflow_provider_ismart`` or, on Airflow 3.2 and later, ``airflow ismart``."""
