"""Define Hypothesis strategies for the core. Numbers are visibly made up: 9689000 and four digits."""

from decimal import Decimal

from hypothesis import strategies as st

from airflow_provider_ismart.core.exclusion import Exclusion
from airflow_provider_ismart.core.segmentation import GSM7_BASIC, GSM7_EXTENSION

#: A zero of each of these scripts; their other digits follow it.
ZEROS = "0\u0660\u06f0\u0966\uff10"
SPACES = [" ", "\u00a0", "\u202f", "\u3000"]
DASHES = ["-", "\ufe63", "\u2010", "\u2011", "\u2013", "\u2014", "\u2212", "\uff0d"]
SEPARATORS = [*SPACES, *DASHES, ".", "(", ")", "[", "]", "\t"]
#: What is ignored in a number: marks of direction and the like.
INVISIBLE = ["\u200b", "\u200e", "\u200f", "\u202a", "\u202c", "\u2060", "\u2066", "\ufeff"]

msisdns = st.integers(0, 9999).map("9689000{:04d}".format)
#: Few, so that they meet again.
few_msisdns = st.integers(0, 11).map("9689000{:04d}".format)


def in_script(digits, zero):
    return "".join(chr(ord(zero) + int(char)) if char.isdigit() else char for char in digits)


@st.composite
def grouped(draw, local):
    """Return the 8 digits of a local number in common groups."""
    sizes = draw(st.sampled_from([(8,), (8,), (4, 4), (2, 3, 3), (3, 3, 2), (2, 2, 2, 2)]))
    ends = [sum(sizes[: count + 1]) for count in range(len(sizes))]
    groups = [local[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    between = draw(st.sampled_from([*SPACES, *DASHES, *([".", "."] if sizes == (2, 3, 3) else [])]))
    return between.join(groups)


@st.composite
def marked(draw, text):
    """Return the text with invisible marks anywhere and white space around it."""
    for mark in draw(st.lists(st.sampled_from(INVISIBLE), max_size=3)):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + mark + text[at:]
    return draw(st.sampled_from(["", " ", "\n"])) + text + draw(st.sampled_from(["", " ", "\t"]))


@st.composite
def as_text(draw, msisdn):
    """Return an Omani number in a common notation."""
    local = msisdn[3:]
    if draw(st.integers(0, 4)) == 0 and not looks_rounded(msisdn):
        code = draw(st.sampled_from(["", "968", "+968", "00968"]))
        text = code + local + draw(st.sampled_from([".0", ".00"]))
    else:
        code = draw(
            st.sampled_from(
                [
                    "",
                    "",
                    "968",
                    "+968",
                    "00968",
                    "\uff0b968",
                    "+ 968",
                    "00 968",
                    "(968)",
                    "(+968)",
                    "[+968]",
                    "tel:+968",
                ]
            )
        )
        between = draw(st.sampled_from([*SPACES, *DASHES, " - "])) if code else ""
        text = code + between + draw(grouped(local))
    return draw(marked(in_script(text, draw(st.sampled_from(ZEROS)))))


def looks_rounded(msisdn):
    """Whether a float of the number could be one that a spreadsheet rounded."""
    return msisdn.endswith("00000")


def as_written(msisdn):
    """Return the number in any form that people, spreadsheets and databases use."""
    kinds = [int, Decimal] if looks_rounded(msisdn) else [int, float, Decimal]
    return st.one_of(
        as_text(msisdn),
        st.builds(lambda kind, digits: kind(digits), st.sampled_from(kinds), st.just(msisdn)),
        st.builds(lambda kind, digits: kind(digits), st.sampled_from(kinds), st.just(msisdn[3:])),
    )


#: Pairs of what is written and what it means.
written_numbers = msisdns.flatmap(lambda msisdn: st.tuples(as_written(msisdn), st.just(msisdn)))
few_written_numbers = few_msisdns.flatmap(lambda msisdn: st.tuples(as_written(msisdn), st.just(msisdn)))
not_numbers = st.sampled_from(
    [None, float("nan"), "", "n/a", "9000", "968900000001", 9.5, True, b"96890000001", "90000001,90000002"]
)

#: Text that might be a number: digits of several scripts, separators and what does not belong there.
number_like = st.text(
    st.sampled_from(
        [chr(ord(zero) + digit) for zero in ZEROS for digit in range(10)] + [*SEPARATORS, *INVISIBLE, *"+,/x"]
    ),
    max_size=24,
)
#: Digits of the sort that a number has, with separators between them: what might be read as one by mistake.
digits_and_separators = st.lists(
    st.one_of(
        st.sampled_from(["+", "00", "968", "+968", "00968", "9", "7", "(968)", "tel:"]),
        st.text("0123456789", min_size=1, max_size=4),
        st.text("7890", min_size=2, max_size=8),
        st.sampled_from([*SEPARATORS, *INVISIBLE, " ", "-", " - ", "  "]),
    ),
    max_size=10,
).map("".join)

gsm7_texts = st.text(st.sampled_from(GSM7_BASIC + GSM7_EXTENSION), max_size=800)
any_texts = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("aا😀€^ "), st.sampled_from(GSM7_BASIC)), max_size=400
)
#: Texts that can be sent, few enough that rows share them.
few_texts = st.sampled_from(["Hello", "Reminder €5", "فاتورتك جاهزة", "😀", "x" * 200, "It’s due – " * 8])
not_texts = st.sampled_from([None, "", "   ", float("nan"), 7, "y" * 800, "\ud83d"])

#: Cells of a language: Arabic, English, another, none.
languages = st.sampled_from(["ar", "AR_om", "عربي", "en", " English ", "en-GB", "fr", "", None, 7])

#: (what is written, the msisdn or None), (the text, or one that cannot be sent)
rows = st.tuples(
    st.one_of(few_written_numbers, few_written_numbers, st.tuples(not_numbers, st.none())),
    st.one_of(few_texts, few_texts, not_texts),
)
#: Exclusions that meet the numbers of ``rows``.
exclusions = st.builds(
    Exclusion,
    opted_out=st.frozensets(few_msisdns),
    allowed=st.one_of(st.none(), st.frozensets(few_msisdns)),
    conn_id=st.just("staging"),
)
