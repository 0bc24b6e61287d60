"""What the documentation lists is what there is."""

import inspect
import re
from pathlib import Path

import pytest

from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.return_codes import RETURN_CODES, Kind
from airflow_provider_ismart.gateway.settings import EXTRAS
from airflow_provider_ismart.notifications.ismart import ISmartNotifier
from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor
from airflow_provider_ismart.transfers.sql_to_ismart import SqlToISmartOperator
from benchmarks.document import BEGIN, END
from benchmarks.document import table as performance_table
from benchmarks.measuring import results

CHECKOUT = Path(__file__).parent.parent
OPERATORS = [
    (ISmartSendOperator, "docs/operator.md"),
    (ISmartCreditSensor, "docs/credit.md"),
    (ISmartNotifier, "docs/alerts.md"),
    (SqlToISmartOperator, "docs/sources.md"),
]
#: What is no parameter of the user's: Airflow gives it.
GIVEN = {"self", "kwargs", "context"}
SECOND_HAND_CODES = {24, 25}


def table(path, heading):
    """Give the body rows of the first table under a heading, as lists of cells."""
    text = (CHECKOUT / path).read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n", 1)[1]
    rows = []
    for line in section.splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            break
    return rows[2:]


def test_readme_explains_each_return_code_as_the_package_does():
    for row, code in zip(table("README.md", "Return codes"), RETURN_CODES.values(), strict=True):
        number = f"{code.number} *" if code.number in SECOND_HAND_CODES else f"{code.number}"
        assert row == [number, code.description, code.kind.value, code.help]


def test_each_kind_of_return_code_is_explained_with_its_codes():
    text = (CHECKOUT / "docs/errors.md").read_text(encoding="utf-8")
    explained = dict(re.findall(r"^\| (\w+) \| ([\d, ]+|any other) \|", text, flags=re.MULTILINE))
    codes = {kind: [str(code.number) for code in RETURN_CODES.values() if code.kind is kind] for kind in Kind}
    assert explained == {kind.value: ", ".join(codes[kind]) or "any other" for kind in Kind}


def test_each_extra_of_the_connection_is_listed_with_its_default_and_range():
    listed = {row[0].strip("`"): row[1:3] for row in table("docs/connection.md", "Extras")}
    assert listed.keys() == EXTRAS.keys()
    for name, extra in EXTRAS.items():
        default, limits = listed[name]
        assert default == written(extra.default), name
        if extra.maximum:
            assert limits == f"{extra.minimum:g} to {extra.maximum:g}", name


def written(default):
    match default:
        case None:
            return "none"
        case bool():
            return f"`{default}`".lower()
        case float():
            return f"`{default:g}`"
    return f"`{default}`"


@pytest.mark.parametrize(("operator", "page"), OPERATORS)
def test_each_parameter_of_an_operator_is_listed_and_whether_it_is_templated(operator, page):
    names = inspect.signature(operator.__init__).parameters.keys() - GIVEN
    listed = {row[0].strip("`"): row[3] == "yes" for row in table(page, "Parameters")}
    assert listed == {name: name in operator.template_fields for name in names}


@pytest.mark.parametrize(("operator", "page"), OPERATORS)
def test_the_listed_defaults_of_an_operator_are_those_it_has(operator, page):
    parameters = inspect.signature(operator.__init__).parameters
    for name, default, *_ in table(page, "Parameters"):
        actual = parameters[name.strip("`")].default
        if actual is inspect.Parameter.empty:
            assert default == "required"
        elif actual is None:
            assert default.startswith("none")
        else:
            assert default == f'`"{actual}"`' if isinstance(actual, str) else f"`{actual}`", name


def test_each_outcome_is_explained():
    text = (CHECKOUT / "docs/operator.md").read_text(encoding="utf-8")
    for outcome in Outcome:
        assert f"| `{outcome.value}` |" in text


def test_the_performance_table_is_what_the_benchmarks_found():
    text = (CHECKOUT / "docs/performance.md").read_text(encoding="utf-8")
    assert f"{BEGIN}{performance_table(results())}{END}" in text


@pytest.mark.parametrize("path", ["README.md", *(f"docs/{page.name}" for page in CHECKOUT.glob("docs/*.md"))])
def test_links_lead_to_files_that_exist(path):
    page = CHECKOUT / path
    for target in re.findall(r"\]\(((?!http)[^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
