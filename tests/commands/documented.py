"""Read the JSON of a command whose keys the documentation lists."""

import json
import re
from pathlib import Path

from airflow_provider_ismart.core.ledger import State

CHAPTER = Path(__file__).parents[2] / "docs/command-line.md"


def documented_json(printed):
    """Return the JSON, after checking that the chapter names each of its keys."""
    found = json.loads(printed)
    named = re.findall(r"`(\w+)`", CHAPTER.read_text(encoding="utf-8").split("\n## JSON\n", 1)[1])
    assert _keys(found) <= {*named, *(state.value for state in State)}
    return found


def _keys(value):
    if isinstance(value, list):
        return set().union(*map(_keys, value))
    return value.keys() | set().union(*map(_keys, value.values())) if isinstance(value, dict) else set()
