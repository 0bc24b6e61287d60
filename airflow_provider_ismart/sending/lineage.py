"""Report to Airflow's hook lineage what a send reads and where its messages go.

``sources/sql.py`` reports queries, with a function of ``common.sql``.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset

log = logging.getLogger(__name__)

#: The URI scheme of a gateway asset.
SCHEME = "ismart"


def report_file(path: Any, name: str) -> None:
    """Report a file or directory that recipients were read from; ``name`` is its URL, without secrets."""
    uri = path.absolute().as_uri() if type(path) is type(Path()) else name
    _report("add_input_asset", path, uri)


def report_gateway(hook: Any, base_url: str) -> None:
    """Report the gateway as the output of the send: ``ismart://www.ismartsms.net/sms``."""
    _report("add_output_asset", hook, f"{SCHEME}://{urlsplit(base_url).netloc}/sms")


def _report(method: str, context: Any, uri: str) -> None:
    try:
        collector = get_hook_lineage_collector()  # type: ignore[no-untyped-call]
        getattr(collector, method)(context=context, uri=uri)
    except Exception as error:  # noqa: BLE001  # a send must not fail for its lineage
        log.warning("Could not report the lineage of %s: %s. The send continues.", uri, type(error).__name__)


def to_openlineage(asset: Any, lineage_context: Any) -> Dataset:  # noqa: ARG001  # the signature that Airflow calls
    """Return a gateway as an OpenLineage dataset: its address as the namespace, ``sms`` as the name."""
    from airflow.providers.common.compat.openlineage.facet import Dataset  # noqa: PLC0415

    uri = urlsplit(asset.uri)
    return Dataset(namespace=f"{uri.scheme}://{uri.netloc}", name=uri.path.lstrip("/"))
