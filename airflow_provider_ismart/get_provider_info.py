"""What Airflow learns about this package."""

from __future__ import annotations

from typing import Any

from airflow_provider_ismart import __version__
from airflow_provider_ismart.connection_form import conn_fields, declared_field_behaviour


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
