"""Test that texts arrive unchanged."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_provider_ismart.core.segmentation import is_blank
from airflow_provider_ismart.sandbox import Sandbox

TEXTS = st.text(min_size=1, max_size=100).filter(lambda text: not is_blank(text))

arrives = [
    "Pay 50% now & win #1 + more = yes? \"quoted\" 'single' a/b;c,d:e@f $ * ~ ! ( )",
    "one\ntwo\r\nthree\rfour",
    "  spaces at the ends  ",
    "مرحباً بكم، فاتورتكم ٢٥٫٥ ر.ع.",
    "\u200fمرحبا\u200e ABC \u202bعربي\u202c",
    "family 👨‍👩‍👧‍👦 and flag 🇴🇲",
    "é composed, e\u0301 decomposed",
    "%41 %zz %% 100%",
    "a&Password=other&MobileNo=96890000099",
    "null \x00 and bell \x07",
    "^{}\\[~]|€ @£$¥ Δ_Φ",
    "tab\tand\u00a0no-break space",
]


@pytest.mark.parametrize("text", arrives)
def test_a_text_arrives_unchanged(text, submit, ismart_sandbox):
    assert submit(text=text).code == 1
    (message,) = ismart_sandbox.messages
    assert message.text == text


@settings(
    max_examples=settings.default.max_examples * 3 // 5,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=TEXTS)
@example(text="🇴🇲" * 40)
def test_any_text_arrives_unchanged(text, submit, ismart_sandbox):
    before = len(ismart_sandbox.messages)
    assert submit(text=text).code == 1
    messages = ismart_sandbox.messages
    assert len(messages) == before + 1
    assert messages[-1].text == text


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("user&x=1", "fake p@ss/w%20ör+d&#=?"),
        ("مستخدم", "كلمة مرور وهمية"),
        (" spaced ", "*~'\"<>\\|"),
        ("u*ser", "%00%"),
    ],
)
def test_any_login_arrives_unchanged(login, password, submit):
    with Sandbox(user=login, password=password) as sandbox:
        assert submit(port=sandbox.port, login=login, password=password).code == 1
