"""Provide a broken ``stat_name_handler``; it imports nothing, because Airflow imports it while starting."""


def name_all_but_ours(name):
    """Name Airflow's own metrics, but none of this package's."""
    if "ismart" in name:
        raise ZeroDivisionError(name)
    return name
