"""Plan a send from its options and the connection's settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_ismart.core.exclusion import Exclusion, read_opt_outs
from airflow_provider_ismart.core.plan import Plan, plan
from airflow_provider_ismart.core.recipients import ChunkedRecipients
from airflow_provider_ismart.core.report import counted
from airflow_provider_ismart.core.validation import Reading
from airflow_provider_ismart.sending.spooled_plan import SpooledPlan

if TYPE_CHECKING:
    from airflow_provider_ismart.gateway.settings import Settings
    from airflow_provider_ismart.sending.options import SendOptions
    from airflow_provider_ismart.sending.progress import Log


@contextmanager
def planned(recipients: Any, options: SendOptions, settings: Settings, log: Log) -> Iterator[Plan]:
    """Read all recipients, and plan who gets which message. Chunked recipients are spooled to a file.

    :raises InputError: the recipients, the message or the opt-outs are invalid.
    """
    column, numbering, exclude = options.recipient_column, settings.numbering, options.exclude
    reading = Reading(
        content=options.content,
        recipient_column=column,
        numbering=numbering,
        exclusion=Exclusion(
            opted_out=frozenset() if exclude is None else read_opt_outs(exclude, str(column), numbering),
            allowed=settings.allowed_numbers,
            conn_id=settings.conn_id,
        ),
    )
    if not isinstance(recipients, ChunkedRecipients):
        yield plan(recipients, reading, deduplicate=options.deduplicate)
        return
    log.info("Reading all recipients before the first call.")
    chunks = recipients.read(reading.recipient_column, reading.content.columns)
    with closing(SpooledPlan(chunks, reading, deduplicate=options.deduplicate)) as spooled:
        log.info("Read %s.", counted(len(spooled.outcomes), "row"))
        yield spooled
