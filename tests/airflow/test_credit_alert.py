"""Test the credit alert: which failures it reports, to whom, with what, and how often."""

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, BaseNotifier

from airflow_provider_ismart.core.return_codes import return_code
from airflow_provider_ismart.exceptions import (
    ISmartAccountError,
    ISmartCreditError,
    ISmartCreditTimeoutError,
    ISmartLoginError,
)
from airflow_provider_ismart.hooks.ismart import ISmartHook
from airflow_provider_ismart.notifications.ismart import ISmartCreditAlert
from tests.return_codes import CREDIT

# What Airflow itself warns of when it reads a Variable in this process is not ours to mend.
pytestmark = [pytest.mark.usefixtures("in_a_callback"), pytest.mark.filterwarnings("default")]


class Mail(BaseNotifier):
    """A notifier like those for e-mail or chat, which keeps what it would send."""

    template_fields = ("subject",)

    def __init__(self, sent, subject="{{ ismart_code }}: {{ ismart_help }} {{ ismart_counts }}"):
        super().__init__()
        self.sent = sent
        self.subject = subject

    def notify(self, context):
        self.sent.append(self.subject)


def failure(error, dag_id="bills", conn_id="ismart_default"):
    ti = SimpleNamespace(dag_id=dag_id, task_id="send", map_index=-1, try_number=1, state="failed")
    task = SimpleNamespace(ismart_conn_id=conn_id)
    return {"ti": ti, "task": task, "dag": None, "exception": error}


def credit_error(code=4, error=ISmartCreditError):
    return error(str(return_code(code)), code=code)


@pytest.mark.parametrize("code", sorted(CREDIT))
def test_the_three_credit_codes_are_reported_with_what_to_do(code):
    told = []
    ISmartCreditAlert(notifiers=[told.append])(failure(credit_error(code)))
    [context] = told
    assert context["ismart_code"] == code
    assert context["ismart_description"] == return_code(code).description
    assert context["ismart_help"] == return_code(code).help
    assert context["ismart_counts"] == {}


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Credit is low"),
        credit_error(3, ISmartLoginError),
        credit_error(25, ISmartAccountError),
        "return code 4",
        None,
    ],
    ids=repr,
)
def test_other_failures_are_ignored(error):
    told = []
    ISmartCreditAlert(notifiers=[told.append])(failure(error))
    assert told == []


def test_a_credit_failure_is_found_in_the_cause_of_another_error():
    told = []
    error = AirflowFailException("the bills were not sent")
    error.__cause__ = credit_error()  # as ``raise … from …`` has it
    ISmartCreditAlert(notifiers=[told.append])(failure(error))
    assert len(told) == 1


def test_a_sensors_timeout_during_trouble_is_a_credit_failure():
    told = []
    ISmartCreditAlert(notifiers=[told.append])(failure(credit_error(13, ISmartCreditTimeoutError)))
    assert told[0]["ismart_code"] == 13


def test_the_alert_has_the_counts_of_the_send(ismart_sandbox):
    told = []
    ismart_sandbox.configure(credit=1)
    with pytest.raises(ISmartCreditError) as raised:
        ISmartHook().send(["96890000001", "96890000002"], "Hello")
    ISmartCreditAlert(notifiers=[told.append])(failure(raised.value))
    assert {outcome: count for outcome, count in told[0]["ismart_counts"].items() if count} == {"refused": 2}


def test_the_send_fails_as_usual_if_the_failure_cannot_be_passed_on(ismart_sandbox):
    def broken(*what):
        raise RuntimeError("no XCom can be pushed")

    ismart_sandbox.configure(credit=0)
    task = {"dag_id": "dag", "run_id": "run", "task_id": "send", "map_index": -1, "try_number": 1}
    context = {"ti": SimpleNamespace(**task, xcom_push=broken)}
    with pytest.raises(ISmartCreditError):
        ISmartHook().submit(["96890000001"], {"message": "Hello"}, context)


def test_a_notifiers_templates_are_rendered_for_each_alert():
    sent = []
    alert = ISmartCreditAlert(notifiers=[Mail(sent)])
    alert(failure(credit_error(4)))
    alert(failure(credit_error(13)))
    assert sent == [f"{code}: {return_code(code).help} {{}}" for code in (4, 13)]


def test_a_failing_notifier_does_not_prevent_the_others_and_nothing_is_raised(caplog, capfd):
    told = []

    def broken(context):
        raise RuntimeError("secret of the mail server")

    ISmartCreditAlert(notifiers=[broken, told.append, broken])(failure(credit_error()))
    assert len(told) == 1
    assert "secret of the mail server" not in caplog.text + "".join(capfd.readouterr())


def test_within_the_cooldown_there_is_one_alert_per_code_connection_and_dag():
    told = []

    def tell(context):
        told.append((context["ti"].dag_id, context["task"].ismart_conn_id, context["ismart_code"]))

    alert = ISmartCreditAlert(notifiers=[tell], cooldown=timedelta(hours=1))
    for _ in range(3):
        alert(failure(credit_error(4), dag_id="cooldown"))
        alert(failure(credit_error(14), dag_id="cooldown"))
        alert(failure(credit_error(4), dag_id="cooldown", conn_id="billing"))
        alert(failure(credit_error(4), dag_id="cooldown_too"))
    assert told == [
        ("cooldown", "ismart_default", 4),
        ("cooldown", "ismart_default", 14),
        ("cooldown", "billing", 4),
        ("cooldown_too", "ismart_default", 4),
    ]


def test_a_dags_callback_on_airflow_3_0_reports_that_it_cannot_know_the_cause(airflow_version, caplog, capfd):
    import_module("airflow.dag_processing.processor")  # as it is in the DAG processor
    asked, told = [], []
    ti = SimpleNamespace(dag_id="bills", task_id="send", state=None, xcom_pull=lambda **of: asked.append(of) or [])
    context = {"ti": ti, "dag": DAG("bills", schedule=None), "reason": "task_failure"}
    ISmartCreditAlert(notifiers=[told.append])(context)
    assert not told
    is_airflow_3_0 = airflow_version == (3, 0)
    assert bool(asked) is not is_airflow_3_0
    assert ("with default_args" in caplog.text + "".join(capfd.readouterr())) is is_airflow_3_0


@pytest.mark.parametrize("cooldown", [60, timedelta(0)], ids=str)
def test_an_invalid_cooldown_is_refused_when_the_dag_is_parsed(cooldown):
    with pytest.raises(ValueError, match="it must be"):
        ISmartCreditAlert(notifiers=[], cooldown=cooldown)


@pytest.mark.parametrize("notifiers", [print, [print, "ops@example.invalid"], None], ids=str)
def test_invalid_notifiers_are_refused_when_the_dag_is_parsed(notifiers):
    with pytest.raises(ValueError, match="notifiers must be a list"):
        ISmartCreditAlert(notifiers=notifiers)
