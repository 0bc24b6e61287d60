"""Test that an option that renders to nothing is not the same as an omitted option."""

import pytest

from airflow_provider_ismart.exceptions import ISmartInputError
from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor
from airflow_provider_ismart.transfers.sql_to_ismart import SqlToISmartOperator

SENT = {"recipients": "96890000001", "message": "Hello"}
QUERY = {"sql": "SELECT '96890000001' AS msisdn", "conn_id": "people_db", "message": "Hello"}
CASES = [
    *(
        (ISmartSendOperator, SENT, option)
        for option in ISmartSendOperator.template_fields
        if option != "recipients"
    ),
    *((SqlToISmartOperator, QUERY, option) for option in SqlToISmartOperator.template_fields),
    *((ISmartCreditSensor, {}, option) for option in ISmartCreditSensor.template_fields),
]


@pytest.mark.parametrize(
    "rendered", [None, "None", "", " \n", " None ", "nan", "NaT\n", "<NA>", "null", "\u200f\ufeff"], ids=repr
)
@pytest.mark.parametrize(("operator_class", "options", "option"), CASES)
def test_an_option_that_renders_to_nothing_is_named_and_nothing_is_sent(
    operator_class, options, option, rendered, airflow_loaded, ismart_default, ismart_sandbox
):
    operator = operator_class(task_id="send", **options | {option: "{{ rendered }}"})
    operator.render_template_fields({"rendered": rendered})
    with pytest.raises(ISmartInputError, match=f"^{option} is set in the DAG, but rendered to .*Nothing was sent"):
        operator.execute({})
    assert not ismart_sandbox.calls


@pytest.mark.parametrize("rendered", [None, "None", " "], ids=repr)
def test_a_language_template_that_renders_to_nothing_is_named(
    rendered, airflow_loaded, ismart_default, ismart_sandbox
):
    recipients = [{"msisdn": "96890000001", "lang": "en"}]
    message = {"en": "Hello", "ar": "{{ rendered }}"}
    operator = ISmartSendOperator(task_id="send", recipients=recipients, message=message, language_column="lang")
    operator.render_template_fields({"rendered": rendered})
    with pytest.raises(ISmartInputError, match=r"^message\['ar'\] is set in the DAG, but rendered to "):
        operator.execute({})
    assert not ismart_sandbox.calls


@pytest.mark.parametrize(
    "option",
    [
        *("push_at", "message_column", "language_column", "results_path", "idempotency_key", "ledger_conn_id"),
        *("exclude", "max_credits"),
    ],
)
def test_none_in_the_dag_means_the_default(option, airflow_loaded, ismart_default, ismart_sandbox):
    operator = ISmartSendOperator(task_id="send", **SENT, **{option: None})
    operator.render_template_fields({})
    operator.execute({})
    assert len(ismart_sandbox.messages) == 1
