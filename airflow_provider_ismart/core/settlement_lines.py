"""Read the lines of a settlement file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from airflow_provider_ismart.core.columns import is_name
from airflow_provider_ismart.core.msisdn import InvalidNumberError, canonical_msisdn, is_missing, mask_msisdn
from airflow_provider_ismart.core.numbering import NumberingPlan
from airflow_provider_ismart.core.outcomes import Outcome
from airflow_provider_ismart.core.return_codes import ACCEPTED_CODE
from airflow_provider_ismart.core.settlement import Finding, Settlements, WrongLineError, line_numbers, raise_if

_OUTCOMES = frozenset(outcome.value for outcome in Outcome)


class Line(NamedTuple):
    """A line of a settlement file: its line number and its cells. Only results files have return codes."""

    number: int
    msisdn: Any
    outcome: Any
    return_code: Any = None
    is_from_results_file: bool = False


def read_settlement_lines(lines: Iterable[Line], numbering: NumberingPlan) -> Settlements:
    """Read the lines. In a results file, outcomes that the send itself wrote settle nothing.

    :raises InputError: lines cannot be read; the message lists them.
    """
    by_number: dict[str, list[tuple[int, Finding]]] = defaultdict(list)
    left_uncertain: dict[str, int] = {}
    wrong: list[str] = []
    for line in lines:
        try:
            word = _word(line)
            if word == Outcome.UNCERTAIN.value:
                left_uncertain[_msisdn(line.msisdn, numbering)] = line.number
            elif finding := _finding(line, word):
                by_number[_msisdn(line.msisdn, numbering)].append((line.number, finding))
        except WrongLineError as why:
            wrong.append(f"line {line.number}: {why}")
    wrong += [
        f"line {left_uncertain[msisdn]} ({mask_msisdn(msisdn)}): uncertain, but {line_numbers(found)} of the "
        "same number is not, and a line does not say which message it means"
        for msisdn, found in by_number.items()
        if msisdn in left_uncertain
    ]
    raise_if(wrong)
    return Settlements(by_number=by_number)


def _word(line: Line) -> str:
    return line.outcome.strip().lower() if isinstance(line.outcome, str) else ""


def _finding(line: Line, word: str) -> Finding | None:
    """Return the finding on a line; ``None`` if the send wrote the outcome and nobody changed it."""
    is_unedited = word in _OUTCOMES and (word != Finding.ACCEPTED.value or _is_answered(line))
    if line.is_from_results_file and is_unedited:
        return None
    try:
        return Finding(word)
    except ValueError:
        shown = repr(line.outcome) if is_name(line.outcome) else f"a text of {len(str(line.outcome))} characters"
        said = "blank" if is_missing(line.outcome) or not str(line.outcome).strip() else shown
        raise WrongLineError(f"its outcome is {said}; write accepted or not_sent") from None


def _is_answered(line: Line) -> bool:
    """Return whether the send itself recorded the row as accepted, because it has the return code."""
    # pandas writes an integer column with blanks as floats
    return str(line.return_code).strip() in {f"{ACCEPTED_CODE}", f"{ACCEPTED_CODE}.0"}


def _msisdn(cell: Any, numbering: NumberingPlan) -> str:
    try:
        return canonical_msisdn(cell, numbering)
    except InvalidNumberError as why:
        raise WrongLineError(f"number: {why}") from None
