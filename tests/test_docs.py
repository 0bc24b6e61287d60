"""Test that the documentation matches the code."""

import ast
import csv
import inspect
import re
import runpy
from pathlib import Path

import pytest

import airflow_provider_ismart
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.return_codes import RETURN_CODES, Kind
from airflow_provider_ismart.notifications.ismart import ISmartNotifier
from airflow_provider_ismart.operators.ismart import ISmartSendOperator
from airflow_provider_ismart.sensors.ismart import ISmartCreditSensor
from airflow_provider_ismart.transfers.sql_to_ismart import SqlToISmartOperator
from benchmarks.document import table as performance_table
from benchmarks.measuring import results
from tests.simulation.mutants import MUTANTS

CHECKOUT = Path(__file__).parent.parent
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")])
PACKAGE = Path(airflow_provider_ismart.__file__).parent
OPERATORS = [
    (ISmartSendOperator, "docs/operator.md"),
    (ISmartCreditSensor, "docs/credit.md"),
    (ISmartNotifier, "docs/alerts.md"),
    (SqlToISmartOperator, "docs/sources.md"),
]
#: What is no parameter of the user's: Airflow gives it.
GIVEN = {"self", "kwargs", "context"}


def table(path, heading):
    """Return the body rows of the first table under a heading, as lists of cells."""
    text = (CHECKOUT / path).read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n", 1)[1]
    rows = []
    for line in section.splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            break
    return rows[2:]


def codes_of(kind):
    return {code.number for code in RETURN_CODES.values() if code.kind is kind}


#: Three or more numbers of one or two digits, such as "3, 12 and 17". Two can be a remark about just these.
CODE_LIST = r"\d{1,2}(?:(?:, | and | or |, and |, or )\d{1,2}\b){2,}"
#: Where such a list is one of return codes: after "code" or a kind, or alone in brackets or in a cell.
CODE_LIST_IN_PLACE = re.compile(
    rf"(?:[Cc]odes?(?: from| are| of)?|{'|'.join(kind.value for kind in Kind)}) \(?({CODE_LIST})(?!\d)"
    rf"|(?<!\w)\(({CODE_LIST})\)"
    rf"|\| ({CODE_LIST}) \|"
)
#: The sandbox has a table of its own, and its chapter lists the order in which it checks.
INDEPENDENT = {"docs/sandbox.md"}


def code_lists(text):
    """Yield each list of return codes in a text, as a set."""
    for found in CODE_LIST_IN_PLACE.finditer(" ".join(text.split())):
        yield {int(number) for number in re.findall(r"\d+", next(filter(None, found.groups())))}


def docstrings():
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(PACKAGE / "sandbox"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield path.name, ast.get_docstring(node) or ""


def is_complete(codes):
    """Return whether a list has all codes of each kind of which it has any."""
    kinds = {RETURN_CODES[code].kind for code in codes if code in RETURN_CODES}
    return codes == set().union(*map(codes_of, kinds))


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("the login was refused (3, 12, 17)", {3, 12, 17}),
        ("codes 4, 13 and 14 raise the alert", {4, 13, 14}),
        ("| login | 3, 12, 17 | stops |", {3, 12, 17}),
        ("code 4, 13 or 14", {4, 13, 14}),
    ],
)
def test_lists_of_return_codes_are_recognised_in_all_their_forms(text, codes):
    assert list(code_lists(text)) == [codes]


def test_each_list_of_return_codes_in_the_documentation_is_complete():
    lists = {
        (name, tuple(sorted(codes)))
        for page in PAGES
        if (name := str(page.relative_to(CHECKOUT))) not in INDEPENDENT
        for codes in code_lists(page.read_text(encoding="utf-8"))
    }
    assert ("docs/alerts.md", (3, 12, 17)) in lists
    assert [(name, codes) for name, codes in lists if not is_complete(set(codes))] == []


def test_no_docstring_repeats_the_table_of_return_codes():
    repeated = [(name, codes) for name, text in docstrings() for codes in code_lists(text)]
    assert repeated == []


@pytest.mark.parametrize(("operator", "page"), OPERATORS)
def test_each_operator_parameter_is_documented_and_marked_if_templated(operator, page):
    names = inspect.signature(operator.__init__).parameters.keys() - GIVEN
    listed = {row[0].strip("`"): row[3] == "yes" for row in table(page, "Parameters")}
    assert listed == {name: name in operator.template_fields for name in names}


@pytest.mark.parametrize(("operator", "page"), OPERATORS)
def test_the_documented_defaults_match_the_operators(operator, page):
    parameters = inspect.signature(operator.__init__).parameters
    for name, default, *_ in table(page, "Parameters"):
        actual = parameters[name.strip("`")].default
        if actual is inspect.Parameter.empty:
            assert default == "required"
        elif actual is None:
            assert default.startswith("none")
        else:
            assert default == f'`"{actual}"`' if isinstance(actual, str) else f"`{actual}`", name


def test_each_outcome_is_documented():
    text = (CHECKOUT / "docs/operator.md").read_text(encoding="utf-8")
    for outcome in Outcome:
        assert f"| `{outcome.value}` |" in text


def test_the_performance_table_matches_the_benchmark_results():
    text = (CHECKOUT / "docs/contributing/performance.csv").read_text(encoding="utf-8")
    assert text == performance_table(results())


def test_the_table_of_mutants_is_complete():
    with (CHECKOUT / "docs/contributing/mutants.csv").open(encoding="utf-8", newline="") as file:
        assert [row["fault"] for row in csv.DictReader(file)] == [mutant.name for mutant in MUTANTS]


def test_generated_documentation_is_up_to_date():
    for name, make in runpy.run_path(str(CHECKOUT / "docs/generate.py"))["GENERATED"].items():
        assert (CHECKOUT / "docs" / name).read_text(encoding="utf-8") == make(), (
            f"docs/{name} is out of date: run make docs"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_point_to_existing_files_and_headings(page):
    for target, _, heading in links(page):
        found = page.parent / target if target else page
        assert found.exists(), target
        if heading:
            assert heading in headings(found), f"{target}#{heading}"


def links(page):
    """Yield the links of a page to files of this checkout, as (path, "#", heading)."""
    for link in re.findall(r"\]\(((?!http)[^)\s]+)\)", page.read_text(encoding="utf-8")):
        yield link.partition("#")


def headings(page):
    """Return the anchors of a page's headings, as GitHub and MyST create them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
