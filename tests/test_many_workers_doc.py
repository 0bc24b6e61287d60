"""Compute the times in `docs/many-workers.md` from its formula."""

from dataclasses import replace
from pathlib import Path

from airflow_provider_ismart.core.batching import CallLimits
from airflow_provider_ismart.core.message import LangChoice, compose
from airflow_provider_ismart.gateway.client import GatewayClient
from airflow_provider_ismart.gateway.settings import Settings

PAGE = Path(__file__).parent.parent / "docs" / "many-workers.md"
NUMBERS = 1_000_000
NUMBERS_A_CALL = (50, 1)
IN_FLIGHT = (4, 64)
LATENCIES = (0.05, 0.2, 1)  # seconds
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def calls(numbers, numbers_a_call):
    return -(-numbers // numbers_a_call)


def in_words(seconds):
    """Write a duration with two digits, as ``1.4 h``, in the largest unit with at least one."""
    unit, length = next((unit, length) for unit, length in UNITS if seconds >= length)
    count = seconds / length
    return f"{count:.1f} {unit}" if count < 10 else f"{count:,.0f} {unit}"


def times_by_latency():
    for numbers_a_call in NUMBERS_A_CALL:
        for in_flight in IN_FLIGHT:
            seconds = [calls(NUMBERS, numbers_a_call) * latency / in_flight for latency in LATENCIES]
            yield [f"{numbers_a_call}", f"{in_flight}", *map(in_words, seconds)]


def table(heading):
    text = PAGE.read_text(encoding="utf-8").split(f"\n### {heading}\n", 1)[1]
    section = text.split("\n##", 1)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"
    ]
    return rows[2:]


def test_the_documented_times_match_the_formula():
    assert table("Time by latency") == list(times_by_latency())


def test_the_documented_numbers_per_call_match_the_package():
    settings = replace(Settings.without_connection(), login="l" * 12, password="p" * 16)
    overhead = GatewayClient(settings).query_overhead(flash=False, push_at=None)
    limits = CallLimits(batch_size=50, max_query_length=settings.max_query_length, overhead=overhead)
    arabic, english = ("مرحبا " * 60, "Hello " * 150)
    expected = {"one for all, English, up to 765 letters": english[:765]} | {
        f"one for all, Arabic, {up_to}{length} letters": arabic[:length]
        for up_to, length in (("up to ", 201), ("", 268), ("", 335))
    }
    listed = {text: numbers for text, *numbers in table("Numbers per call")}
    assert listed.pop("a text each") == ["1"]
    assert listed == {
        name: [f"{limits.numbers_for(compose(text, LangChoice.AUTO, 5))}"] for name, text in expected.items()
    }
