"""Write the tables and diagrams that the documentation derives from the code: ``python docs/generate.py``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from airflow_provider_ismart.core.ledger import TRANSITIONS, State
from airflow_provider_ismart.core.return_codes import RETURN_CODES, SECOND_HAND_CODES, Kind
from airflow_provider_ismart.gateway.extra import Extra
from airflow_provider_ismart.gateway.extras import EXTRAS

DOCS = Path(__file__).parent

#: What a return code of each kind does to a send.
EFFECTS = {
    Kind.ACCEPTED: "continues",
    Kind.LOGIN: "stops",
    Kind.ACCOUNT: "stops",
    Kind.CREDIT: "stops",
    Kind.MESSAGE: "skips other rows with this text; the task fails at the end",
    Kind.RECIPIENT: 'follows [`on_refused`](how-a-send-works.md#refused-numbers); the task fails with `"fail"` '
    "or if nobody was reached",
    Kind.REQUEST: "stops if nothing was accepted yet, else the task fails at the end",
    Kind.UNCERTAIN: "continues, up to three in a row; follows [`on_uncertain`](guarantees.md#uncertain-calls)",
    Kind.UNKNOWN: "like request",
}

#: Dark text on a light card is readable on light and dark pages.
STYLE = """
  .card { fill: #f6f8fa; stroke: #d0d7de; }
  .box { fill: #ffffff; stroke: #0b6e8f; stroke-width: 1.5; }
  .end { fill: #e3f2f7; }
  .line { fill: none; stroke: #57606a; stroke-width: 1.5; marker-end: url(#arrow); }
  .back { stroke-dasharray: 5 4; }
  text { font: 14px system-ui, sans-serif; fill: #1f2328; text-anchor: middle; }
  .note { font-size: 12px; fill: #57606a; }
"""
ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
    'orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 z" fill="#57606a"/></marker></defs>'
)


class Box(NamedTuple):
    """A labelled box; ``x`` and ``y`` are its centre."""

    x: int
    y: int
    lines: tuple[str, ...]
    width: int = 130
    height: int = 44
    is_end: bool = False

    def __str__(self) -> str:
        corner = f'x="{self.x - self.width // 2}" y="{self.y - self.height // 2}"'
        css = "box end" if self.is_end else "box"
        rect = f'<rect class="{css}" {corner} width="{self.width}" height="{self.height}" rx="6"/>'
        top = self.y + 5 - 8 * (len(self.lines) - 1)
        return rect + "".join(text(self.x, top + 16 * at, line) for at, line in enumerate(self.lines))


def text(x: int, y: int, words: str, css: str = "") -> str:
    """Return centred text."""
    return f'<text x="{x}" y="{y}"{f" class={chr(34)}{css}{chr(34)}" if css else ""}>{escape(words)}</text>'


def line(path: str, *, is_back: bool = False) -> str:
    """Return an arrow along an SVG path."""
    return f'<path class="{"line back" if is_back else "line"}" d="{path}"/>'


def svg(width: int, height: int, title: str, shapes: list[str]) -> str:
    """Return a whole drawing."""
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            ARROW,
            f'<rect class="card" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
            *shapes,
            "</svg>\n",
        ]
    )


def send() -> str:
    """Draw the life of a send."""
    steps = [
        ("Read", "recipients"),
        ("Validate", "and plan"),
        ("Load the", "ledger"),
        ("Record", "intents"),
        ("Make calls",),
        ("Record", "outcomes"),
    ]
    xs = [75 + 128 * at for at in range(len(steps))]
    shapes = [str(Box(x, 60, step, width=100)) for x, step in zip(xs, steps, strict=True)]
    shapes += [line(f"M{left + 50} 60 H{right - 50}") for left, right in pairwise(xs)]
    ends = [
        (xs[1], "Input error:", "nothing was sent"),
        (xs[3], "Ledger error:", "a retry resumes"),
        (xs[5], "Report", "and results file"),
    ]
    for x, *words in ends:
        shapes += [str(Box(x, 190, tuple(words), width=140, is_end=True)), line(f"M{x} 82 V168")]
    loop = f"M{xs[5] - 30} 82 V118 H{xs[3] + 30} V82"
    shapes += [line(loop, is_back=True), text(xs[4], 112, "more calls", "note")]
    shapes += [text(xs[5] + 38, 140, "all done", "note"), text(xs[5] + 38, 154, "or stopped", "note")]
    return svg(xs[-1] + 90, 230, "The life of a send", shapes)


#: The position of each state. Add new states here.
PLACES = {
    State.SUBMITTING: (330, 150),
    State.ACCEPTED: (590, 45),
    State.UNCERTAIN: (590, 115),
    State.NOT_SENT: (590, 185),
    State.REFUSED: (590, 255),
    State.CONFIRMED: (860, 80),
    State.RULED_OUT: (860, 150),
}
#: When a message in this state can be submitted again.
AGAIN = {
    State.UNCERTAIN: 'only with "resend"',
    State.NOT_SENT: "a retry",
    State.REFUSED: "a retry, or a split batch",
    State.RULED_OUT: "a retry",
}


def ledger() -> str:
    """Draw the states of a ledger entry and their transitions, from the ledger's own table."""
    shapes = [str(Box(90, 150, ("no entry",), width=110, is_end=True))]
    shapes += [str(Box(*place, (state.value,))) for state, place in PLACES.items()]
    for before, states in TRANSITIONS.items():
        for after in sorted(states - {before}, key=lambda state: state.value):
            if before is None:
                shapes += [line(f"M145 150 H{PLACES[after][0] - 65}"), text(205, 140, "intent recorded", "note")]
            elif after is State.SUBMITTING:
                x, y = PLACES[before]
                shapes += [
                    line(f"M{x + 65} {y} H{x + 115} V302 H330 V172", is_back=True),
                    text(x, y + 36, AGAIN[before], "note"),
                ]
            else:
                (x, y), (to_x, to_y) = PLACES[before], PLACES[after]
                curve = f"M{x + 65} {y} C{x + 130} {y} {x + 120} {to_y} {to_x - 65} {to_y}"
                shapes.append(line(f"M{x} {y - 22} V{to_y + 22}" if x == to_x else curve))
    shapes.append(text(PLACES[State.CONFIRMED][0], 48, "settled by a person", "note"))
    return svg(1000, 320, "States of a ledger entry", shapes)


def return_codes() -> str:
    """Return the table of return codes."""
    rows = [("code", "the gateway says", "kind", "what to do")]
    for code in RETURN_CODES.values():
        number = f"{code.number}*" if code.number in SECOND_HAND_CODES else f"{code.number}"
        rows.append((number, code.description, code.kind.value, code.help))
    return as_csv(rows)


def return_code_kinds() -> str:
    """Return the table of the kinds of return codes."""
    rows = [("kind", "codes", "effect on the send")]
    for kind in Kind:
        codes = ", ".join(str(code.number) for code in RETURN_CODES.values() if code.kind is kind)
        rows.append((kind.value, codes or "any other", EFFECTS[kind]))
    return as_csv(rows)


def extras() -> str:
    """Return the table of the connection's extras."""
    rows = [("extra", "default", "values", "meaning")]
    rows += [(f"`{extra.name}`", default(extra), values(extra), extra.description) for extra in EXTRAS.values()]
    return as_csv(rows)


def default(extra: Extra) -> str:
    """Return an extra's default, as JSON."""
    return "none" if extra.default is None else f"`{json.dumps(extra.default).removesuffix('.0')}`"


def values(extra: Extra) -> str:
    """Describe the valid values of an extra."""
    if extra.maximum:
        return f"{extra.minimum:g} to {extra.maximum:g}"
    if extra.type == "boolean":
        return "true, false"
    return "text, list" if extra.can_be_list else "text"


def as_csv(rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table as CSV."""
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue()


GENERATED = {
    "_static/send.svg": send,
    "_static/ledger.svg": ledger,
    "connection-extras.csv": extras,
    "return-code-kinds.csv": return_code_kinds,
    "return-codes.csv": return_codes,
}


def main() -> None:
    """Write all tables and diagrams."""
    for name, make in GENERATED.items():
        (DOCS / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
