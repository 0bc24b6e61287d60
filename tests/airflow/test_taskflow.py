"""Test ``@task.ismart``: its options, and how it handles a function's result."""

import inspect

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_ismart.decorators.ismart import ISmartDecoratedOperator, ismart_task
from airflow_provider_ismart.exceptions import ISmartInputError
from airflow_provider_ismart.operators.ismart import ISmartSendOperator

NUMBER = "96890000001"


@pytest.fixture
def run(ismart_default):
    """Run a function with ``@task.ismart``; return the result of the task."""

    def execute(function, *args, context=None, message="Hello", rendered=None, **options):
        operator = ismart_task(function, message=message, task_id="tell", **options)(*args).operator
        operator.render_template_fields(rendered or {})
        return operator.execute(context or {})

    return execute


def test_returned_recipients_get_the_message_and_the_task_returns_the_report(run, ismart_sandbox):
    report = run(lambda: [{"msisdn": NUMBER, "name": "Ali"}], message="Dear {name}")
    assert [(message.msisdn, message.text) for message in ismart_sandbox.messages] == [(NUMBER, "Dear Ali")]
    assert report["outcomes"]["accepted"] == 1


def test_each_recipient_gets_the_rendered_template_of_their_language(run, ismart_sandbox):
    def people():
        return [{"msisdn": NUMBER, "lang": "Arabic"}, {"msisdn": "96890000002", "lang": "en"}]

    message = {"ar": "المكتب: {{ office }}", "en": "Office: {{ office }}"}
    run(people, message=message, language_column="{{ 'lang' }}", rendered={"office": "Muscat"})
    texts = {message.msisdn: message.text for message in ismart_sandbox.messages}
    assert texts == {NUMBER: "المكتب: Muscat", "96890000002": "Office: Muscat"}


@pytest.mark.parametrize("on_empty", ["skip", "fail"])
def test_a_function_that_returns_none_fails_the_task_with_an_explanation(on_empty, run, ismart_sandbox):
    def forgot():
        pass

    with pytest.raises(ISmartInputError, match="'tell' returned None") as error:
        run(forgot, on_empty=on_empty)
    assert isinstance(error.value, AirflowFailException)
    assert not ismart_sandbox.calls


def test_a_function_that_returns_an_empty_list_follows_on_empty(run, ismart_sandbox):
    with pytest.raises(AirflowSkipException):
        run(list)
    with pytest.raises(ISmartInputError, match="on_empty"):
        run(list, on_empty="fail")
    assert not ismart_sandbox.calls


def test_a_function_that_raises_fails_the_task_with_its_error(run, ismart_sandbox):
    def query():
        raise LookupError("no such table")

    with pytest.raises(LookupError, match="no such table"):
        run(query)
    assert not ismart_sandbox.calls


def test_a_dry_run_sends_nothing(run, ismart_sandbox):
    report = run(lambda: [NUMBER], dry_run=True)
    assert (report["dry_run"], report["planned_calls"]) == (True, 1)
    assert not ismart_sandbox.calls


def test_a_function_gets_its_arguments_and_context_values(run, ismart_sandbox):
    def people(number, *, run_id, **context):
        assert (run_id, context["ds"]) == ("r", "2030-01-31")
        return number

    run(people, NUMBER, context={"run_id": "r", "ds": "2030-01-31"})
    assert [message.msisdn for message in ismart_sandbox.messages] == [NUMBER]


def test_the_functions_annotation_does_not_describe_the_tasks_output(airflow_loaded):
    def people() -> dict[str, list[str]]:
        return {"msisdn": [NUMBER]}

    assert not ismart_task(people, message="Hello")().operator.multiple_outputs


def test_a_rendered_task_shows_neither_recipients_nor_arguments(ismart_default):
    def people(number, *, others):
        return [number, *others]

    operator = ismart_task(people, message="Hello")(NUMBER, others=[NUMBER]).operator
    for _ in range(2):  # Airflow may render a task twice
        operator.render_template_fields({})
    operator.execute({})
    shown = repr({field: getattr(operator, field) for field in operator.template_fields} | vars(operator))
    assert "'others': <list, hidden>" in shown
    assert NUMBER not in shown


def test_the_decorator_accepts_every_operator_option_except_recipients(airflow_loaded):
    parameters = inspect.signature(ISmartSendOperator.__init__).parameters.keys() - {
        "self",
        "kwargs",
        "recipients",
    }
    options = {name: f"the {name}" for name in parameters}
    operator = ismart_task(list, **options, task_id="tell")().operator
    found = {name: getattr(operator, "is_dry_run" if name == "dry_run" else name) for name in parameters}
    assert found == options
    assert set(operator.template_fields) == {
        *ISmartSendOperator.template_fields,
        "op_args",
        "op_kwargs",
    } - {"recipients"}


def test_the_decorator_does_not_accept_recipients(airflow_loaded):
    with pytest.raises(TypeError, match="recipients"):
        ismart_task(list, message="Hello", recipients=[NUMBER], task_id="tell")()


def test_a_task_killed_while_its_function_runs_makes_no_call(ismart_default, ismart_sandbox):
    operator = ismart_task(lambda: operator.on_kill() or [NUMBER], message="Hello", task_id="tell")().operator
    assert isinstance(operator, ISmartDecoratedOperator)
    with pytest.raises(Exception, match="certainly not sent"):
        operator.execute({})
    assert not ismart_sandbox.calls
