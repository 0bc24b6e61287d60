"""What the Makefile lists is all that there is."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]


def test_every_suite_of_acceptance_tests_is_run_somewhere():
    text = (CHECKOUT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    listed = re.search(r"^ACCEPTANCE := (.*)$", text, re.MULTILINE)[1].split()
    suites = {path.parent.name for path in (CHECKOUT / "tests" / "acceptance").glob("*/test_*.py")}
    assert {run.partition("@")[0] for run in listed} == suites
