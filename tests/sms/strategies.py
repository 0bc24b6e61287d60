"""What the core's properties are tried with. The numbers look made up: 9689000 and four digits."""

from decimal import Decimal

from hypothesis import strategies as st

from airflow_provider_ismart.sms.text import GSM7_BASIC, GSM7_EXTENSION

#: A zero of each of these scripts; their other digits follow it.
ZEROS = "0\u0660\u06f0\u0966\uff10"
SEPARATORS = [" ", "-", "(", ")", "\u00a0", "\u200f", "\u202a", "\u202c", "\u2011", "\t"]

msisdns = st.integers(0, 9999).map("9689000{:04d}".format)
#: Few, so that they meet again.
few_msisdns = st.integers(0, 11).map("9689000{:04d}".format)


def in_script(digits, zero):
    return "".join(chr(ord(zero) + int(char)) if char.isdigit() else char for char in digits)


@st.composite
def spaced(draw, digits):
    """The digits, with what people put between them."""
    gaps = draw(st.lists(st.sampled_from(["", "", "", *SEPARATORS]), min_size=len(digits) + 1))
    return gaps[0] + "".join(digit + gap for digit, gap in zip(digits, gaps[1:], strict=False))


@st.composite
def as_text(draw, msisdn):
    prefix, digits = draw(
        st.sampled_from([("", msisdn), ("+", msisdn), ("00", msisdn), ("", msisdn[3:])]),
    )
    tail = draw(st.sampled_from(["", "", ".0", ".00"]))
    zero = draw(st.sampled_from(ZEROS))
    return in_script(prefix + draw(spaced(digits)) + tail, zero)


def as_written(msisdn):
    """The number in any of the ways that people, spreadsheets and databases write it."""
    kinds = [int, float, Decimal]
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
    st.sampled_from([chr(ord(zero) + digit) for zero in ZEROS for digit in range(10)] + [*SEPARATORS, *"+.,/x"]),
    max_size=24,
)

gsm7_texts = st.text(st.sampled_from(GSM7_BASIC + GSM7_EXTENSION), max_size=800)
any_texts = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("aا😀€^ "), st.sampled_from(GSM7_BASIC)), max_size=400
)
#: Texts that can be sent, few enough that rows share them.
few_texts = st.sampled_from(["Hello", "Reminder €5", "فاتورتك جاهزة", "😀", "x" * 200])
not_texts = st.sampled_from([None, "", "   ", float("nan"), 7, "y" * 800, "\ud83d"])

#: (what is written, the msisdn or None), (the text, or one that cannot be sent)
rows = st.tuples(
    st.one_of(few_written_numbers, few_written_numbers, st.tuples(not_numbers, st.none())),
    st.one_of(few_texts, few_texts, not_texts),
)
