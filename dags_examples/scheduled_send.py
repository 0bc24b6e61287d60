"""Submit a message now, to be delivered tomorrow morning in Muscat."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ismart.operators.ismart import ISmartSendOperator

with DAG("ismart_scheduled_send", schedule=None, tags=["ismart"], doc_md=__doc__) as dag:

    @task
    def tomorrow_morning() -> str:
        """Return tomorrow at 7:30. Without an offset, the connection's time zone applies."""
        today = datetime.now(ZoneInfo("Asia/Muscat")).date()
        return f"{today + timedelta(days=1)}T07:30"

    ISmartSendOperator(
        task_id="send",
        recipients="96890000001, 96890000002",
        message="صباح الخير! موعدكم اليوم الساعة 9:00 في عيادة الخوير.",
        push_at=tomorrow_morning(),
    )
