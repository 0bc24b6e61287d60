"""Test what Airflow reads about the package, and the form of its connection."""

import json
from importlib.resources import files
from importlib.util import find_spec

import jsonschema
import pytest
from airflow.providers.common.compat.module_loading import import_string

import airflow_provider_ismart
from airflow_provider_ismart.gateway.extras import EXTRAS
from airflow_provider_ismart.get_provider_info import get_provider_info
from airflow_provider_ismart.hooks.ismart import ISmartHook


def test_the_provider_info_matches_airflows_schema():
    schema = json.loads((files("airflow") / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_every_extra_is_declared_in_the_provider_info():
    (connection_type,) = get_provider_info()["connection-types"]
    assert connection_type["connection-type"] == ISmartHook.conn_type
    assert connection_type["conn-fields"].keys() == EXTRAS.keys()
    for name, field in connection_type["conn-fields"].items():
        jsonschema.Draft202012Validator.check_schema(field["schema"])
        jsonschema.validate(EXTRAS[name].default, field["schema"])


def test_declared_modules_and_decorators_can_be_imported():
    info = get_provider_info()
    for name in [*info["notifications"], *(decorator["class-name"] for decorator in info["task-decorators"])]:
        assert callable(import_string(name))
    for declared in (*info["hooks"], *info["operators"], *info["sensors"], *info["triggers"]):
        for module in declared["python-modules"]:
            __import__(module)
    for transfer in info["transfers"]:
        __import__(transfer["python-module"])
    for uris in (*info["asset-uris"], *info["dataset-uris"]):
        assert callable(import_string(uris["to_openlineage_converter"]))
    assert info["versions"][0] == airflow_provider_ismart.__version__


@pytest.mark.filterwarnings("ignore")  # what Airflow and its form library warn of is their own affair
def test_every_extra_has_a_field_in_the_form(airflow_version):
    shown = _fields_of_the_form(airflow_version)
    assert shown.keys() == EXTRAS.keys()
    for name, (label, text) in shown.items():
        assert label == EXTRAS[name].label
        assert text == EXTRAS[name].help


def _fields_of_the_form(airflow_version):
    if airflow_version < (3, 0):
        from airflow.www.app import create_app

        app = create_app(testing=True)
        with app.test_request_context():
            from airflow.providers_manager import ProvidersManager

            widgets = ProvidersManager().connection_form_widgets
            ours = [widget for name, widget in widgets.items() if name.startswith("extra__ismart__")]
            return {
                widget.field_name: (str(widget.field.args[0]), widget.field.kwargs["description"])
                for widget in ours
            }
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    (ours,) = [hook for hook in HookMetaService.hook_meta_data() if hook.connection_type == "ismart"]
    if ours.extra_fields is None and not find_spec("flask_appbuilder"):
        pytest.skip("without flask_appbuilder this Airflow shows no provider's fields, but one for all extras")
    return {
        name: (field["schema"]["title"] if "title" in field["schema"] else field["label"], field["description"])
        if isinstance(field, dict)
        else field
        for name, field in ours.extra_fields.items()
    }
