"""Define the connection's form in Airflow's UI: declared from Airflow 3.2 on, and made of widgets before."""

from __future__ import annotations

from typing import Any

from airflow_provider_ismart.gateway.connection_fields import DEFAULT_HOST
from airflow_provider_ismart.gateway.extras import EXTRAS

_HIDDEN_FIELDS = ["schema", "extra"]
_RELABELING = {"login": "User id (UserId)", "password": "Password", "host": "Host or base URL"}
_PLACEHOLDERS = {"host": DEFAULT_HOST} | {
    name: str(extra.default) for name, extra in EXTRAS.items() if extra.default is not None
}


def conn_fields() -> dict[str, dict[str, Any]]:
    """Return the form fields of the extras for the provider info (Airflow 3.2 and later)."""
    return {
        extra.name: {
            "label": extra.label,
            "description": extra.help,
            "schema": {"type": [extra.type, "null"]}
            | ({"minimum": extra.minimum, "maximum": extra.maximum} if extra.maximum else {}),
        }
        for extra in EXTRAS.values()
    }


def declared_field_behaviour() -> dict[str, Any]:
    """Return the behaviour of the standard fields for the provider info (Airflow 3.2 and later)."""
    return {"hidden-fields": _HIDDEN_FIELDS, "relabeling": _RELABELING, "placeholders": _PLACEHOLDERS}


def field_behaviour() -> dict[str, Any]:
    """Return the behaviour of the standard fields for the hook (before Airflow 3.2)."""
    return {"hidden_fields": _HIDDEN_FIELDS, "relabeling": _RELABELING, "placeholders": _PLACEHOLDERS}


def form_widgets() -> dict[str, Any]:
    """Return the form fields of the extras as widgets for the hook (before Airflow 3.2)."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget  # noqa: PLC0415  # only the web server has these
    from flask_babel import lazy_gettext  # noqa: PLC0415
    from wtforms import BooleanField, IntegerField, StringField  # noqa: PLC0415
    from wtforms.validators import Optional  # noqa: PLC0415

    def widget(extra: Any) -> Any:
        label = lazy_gettext(extra.label)
        if extra.type == "boolean":
            return BooleanField(label, description=extra.help)
        field = IntegerField if extra.type == "integer" else StringField  # there is no widget for other numbers
        return field(label, widget=BS3TextFieldWidget(), validators=[Optional()], description=extra.help)

    return {name: widget(extra) for name, extra in EXTRAS.items()}
