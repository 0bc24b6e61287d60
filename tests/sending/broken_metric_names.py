"""A ``stat_name_handler`` with a mistake in it; it imports nothing, as Airflow imports it while it starts."""


def name_all_but_ours(name):
    """Name Airflow's own metrics and none of this package's."""
    if "ismart" in name:
        raise ZeroDivisionError(name)
    return name
