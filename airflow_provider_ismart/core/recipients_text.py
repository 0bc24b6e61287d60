"""Parse recipients in a text: a list that Jinja has rendered, or numbers between separators."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from itertools import pairwise
from typing import Any

from airflow_provider_ismart.core.errors import InputError

#: ASCII, Arabic and fullwidth commas and semicolons.
_SEPARATORS = ",;\u060c\u061b\uff0c\uff1b"
_BETWEEN_NUMBERS = re.compile(rf"[{_SEPARATORS}\r\n]+")
_BETWEEN_CELLS = re.compile(rf"[{_SEPARATORS}]")

#: The texts that Jinja renders for a missing value: ``None``, the missing values of pandas, and JSON's ``null``.
RENDERED_NOTHING = frozenset({"None", "nan", "NaT", "<NA>", "null"})
_FILE_NAME = re.compile(r"[^\n]+\.(?:csv|csv\.gz|parquet|xlsx?|json|txt)", re.IGNORECASE)

_HOW_TO_FIX = (
    "Pass the data instead of text: use the task's output (.output of an operator, or the return value of a @task "
    "function), or set render_template_as_native_obj=True on the DAG."
)

#: Signs of a printed table or object, which a list of numbers never has.
_PRINTED = re.compile(
    r"""
    [|<>=\u2500-\u257f]                           # rules of a table; a tag; <… object at 0x…>; dtype=object
    | [^\W\d_] [(\[{]                             # array([…]), Index([…]), dict_values([…]), Decimal('…')
    | \.\.\. | \u2026                             # shortened
    | \b (?: dtype | shape ) \s* :                # the tail of a Series, the head of a polars frame
    | Empty\ DataFrame
    | \[ \d+ \s rows \s x \s \d+ \s columns \]    # the tail of a DataFrame
    """,
    re.VERBOSE,
)
#: Lines that start with an index: "0    96890000001", "1. 96890000001", "12\t96890000001".
_INDEXED = re.compile(r"[ \t]*\d{1,9}(?:[ ]{2,}|[ ]*\t\s*|[.):\]][ \t]+)\S")
_SHORTEST_NUMBER = 7
_BYTE_ORDER_MARK = "\ufeff"  # left by a file that was read as text
#: NumPy shortens long arrays with ``...``, and prints 96890000001.0 as 9.6890000e+10. Python and JSON do neither.
_PRINTED_VALUES = re.compile(r"\.\.\.|[0-9.][eE]\+?[0-9]")
#: "['96890000001' '96890000002']" is a printed NumPy array, but Python reads it as a list of one text.
_ADJACENT_TEXTS = re.compile(r"""(["'])\s+[A-Za-z]{0,2}(["'])""")


def parse_recipients_text(text: str) -> Any:
    """Return the list, dict or tuple in a text (JSON or a Python literal), or a list of its numbers.

    :raises InputError: the text starts like a list but is not one, or looks like a printed table or object.
    """
    text = text.strip().removeprefix(_BYTE_ORDER_MARK).strip()
    if text in RENDERED_NOTHING:
        raise InputError(
            f"recipients is the text {text!r}: its template, or the task that it comes from, had no value. To "
            "send to nobody, pass an empty list."
        )
    if _FILE_NAME.fullmatch(text):
        raise InputError("recipients is text with the name of a file. Pass a Path or ObjectStoragePath")
    if text.startswith(("[", "{", "(")):
        try:
            return _literal(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            if not text.startswith("("):  # a number may start with a bracket
                raise InputError(
                    "recipients is text that starts like a list but is neither JSON nor a Python literal. "
                    + _HOW_TO_FIX
                ) from None
    if _is_printed(text):
        raise InputError(
            "recipients is text that looks like a printed table, numbered list or object, so other cells could be "
            f"mistaken for numbers. {_HOW_TO_FIX} In text, separate numbers only with commas, semicolons or "
            "line ends."
        )
    return split_numbers(text)


def split_numbers(text: str) -> list[str]:
    """Split a text at commas, semicolons and line ends."""
    return [cell for cell in _BETWEEN_NUMBERS.split(text) if cell.strip()]


def _literal(text: str) -> Any:
    try:
        value, is_printed = json.loads(text), False
    except ValueError:
        value = ast.literal_eval(text)
        is_printed = _joins_texts(text)
    if not isinstance(value, (list, tuple, set, dict)):
        raise ValueError("a number in brackets, or a text")  # noqa: TRY004  # about the text, not its type
    if is_printed or (_PRINTED_VALUES.search(text) and _loses_values(value)):
        raise InputError(f"recipients is text that looks like a printed array. {_HOW_TO_FIX}")
    return value


def _loses_values(value: Any) -> bool:
    """Return whether a printed array lacks rows or has rounded numbers."""
    cells = value.values() if isinstance(value, dict) else value
    return any(
        _loses_values(cell)
        if isinstance(cell, (list, tuple, set, dict))
        else cell is ... or (isinstance(cell, float) and cell >= 10**_SHORTEST_NUMBER)
        for cell in cells
    )


def _joins_texts(text: str) -> bool:
    """Return whether texts have no comma between them, so that Python joins them."""
    if not _ADJACENT_TEXTS.search(text):
        return False
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    kinds = [token.type for token in tokens if token.type not in {tokenize.NL, tokenize.COMMENT}]
    return (tokenize.STRING, tokenize.STRING) in pairwise(kinds)


def _is_printed(text: str) -> bool:
    if _PRINTED.search(text):
        return True
    first, *others = [line for line in text.splitlines() if line.strip()] or [""]
    if others and _is_grid([first, *others]):
        return True
    has_header = any(map(str.isalpha, first)) and _digits(first) < _SHORTEST_NUMBER
    if has_header and any(_digits(line) >= _SHORTEST_NUMBER for line in others):
        return True
    return all(map(_INDEXED.match, [first, *others]))


def _is_grid(lines: list[str]) -> bool:
    """Return whether each line has several cells, as in a CSV file, and the lines are not one wrapped list."""
    cells = [_BETWEEN_CELLS.split(line.strip()) for line in lines]
    is_wrapped = any(not of_line[-1] for of_line in cells)
    return min(map(len, cells)) > 1 and not is_wrapped


def _digits(line: str) -> int:
    return sum(map(str.isdigit, line))
