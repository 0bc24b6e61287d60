"""Make Airflow collect hook lineage, as OpenLineage's plugin does."""

from airflow.providers.common.compat.sdk import AirflowPlugin, HookLineageReader


class ReadsHookLineage(AirflowPlugin):
    name = "reads_hook_lineage"
    hook_lineage_readers = [HookLineageReader]  # noqa: RUF012
