"""Provide the metadata that Airflow reads about this package."""

from __future__ import annotations

from typing import Any

from airflow_provider_ismart import __version__
from airflow_provider_ismart.gateway.connection_form import conn_fields, declared_field_behaviour

#: How a gateway asset, which ``sending/lineage.py`` reports, is named in OpenLineage.
GATEWAY_URIS = [
    {
        "schemes": ["ismart"],
        "handler": None,
        "to_openlineage_converter": "airflow_provider_ismart.sending.lineage.to_openlineage",
    }
]


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the shape of Airflow's provider_info schema."""
    return {
        "package-name": "airflow-provider-ismart",
        "name": "iSmart SMS",
        "description": "Send bulk SMS through the iSmart gateway (Infocomm, Oman).",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "iSmart SMS",
                "external-doc-url": "https://www.ismartsms.net/",
                "tags": ["service"],
            }
        ],
        "hooks": [{"integration-name": "iSmart SMS", "python-modules": ["airflow_provider_ismart.hooks.ismart"]}],
        "operators": [
            {"integration-name": "iSmart SMS", "python-modules": ["airflow_provider_ismart.operators.ismart"]}
        ],
        "transfers": [
            {
                "source-integration-name": "Common SQL",
                "target-integration-name": "iSmart SMS",
                "python-module": "airflow_provider_ismart.transfers.sql_to_ismart",
            }
        ],
        "asset-uris": GATEWAY_URIS,
        "dataset-uris": GATEWAY_URIS,  # the name in Airflow 2
        "task-decorators": [
            {"name": "ismart", "class-name": "airflow_provider_ismart.decorators.ismart.ismart_task"}
        ],
        "sensors": [
            {"integration-name": "iSmart SMS", "python-modules": ["airflow_provider_ismart.sensors.ismart"]}
        ],
        "triggers": [
            {"integration-name": "iSmart SMS", "python-modules": ["airflow_provider_ismart.triggers.ismart"]}
        ],
        "notifications": [
            "airflow_provider_ismart.notifications.ismart.ISmartNotifier",
            "airflow_provider_ismart.notifications.ismart.ISmartCreditAlert",
        ],
        "cli": ["airflow_provider_ismart.commands.airflow_cli.airflow_commands"],  # from Airflow 3.2 on
        "connection-types": [
            {
                "connection-type": "ismart",
                "hook-class-name": "airflow_provider_ismart.hooks.ismart.ISmartHook",
                "hook-name": "iSmart SMS",
                "ui-field-behaviour": declared_field_behaviour(),
                "conn-fields": conn_fields(),
            }
        ],
    }
