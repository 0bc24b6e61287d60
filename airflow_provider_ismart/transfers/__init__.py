"""Airflow transfers."""
