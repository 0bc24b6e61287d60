"""Decorators for Airflow's TaskFlow."""
