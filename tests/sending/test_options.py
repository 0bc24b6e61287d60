from pathlib import PurePosixPath

import pandas
import pytest

from airflow_provider_ismart.core.dispatch import OnRefused
from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.core.message import LangChoice
from airflow_provider_ismart.sending.options import OnEmpty, OnInvalid, OnUncertain, SendOptions

SHORTENED = (
    "has one slash after its scheme, as Path makes of s3://…; pass the URL as text or as an ObjectStoragePath"
)
FRAME = pandas.DataFrame({"msisdn": ["96890001234"]})


def test_options_have_the_safest_defaults():
    options = SendOptions.of(message="Hello")
    assert options.content.lang is LangChoice.AUTO
    assert options.content.max_parts == 5
    assert options.batch_size == 50
    assert options.deduplicate is True
    assert options.on_empty is OnEmpty.SKIP
    assert options.on_invalid is OnInvalid.SKIP
    assert options.on_refused is OnRefused.ISOLATE
    assert options.on_uncertain is OnUncertain.FAIL
    assert options.dry_run is False
    assert options.content.simplify_text is False
    assert options.exclude is None
    assert options.max_credits is None


def test_options_are_converted_from_a_users_values():
    options = SendOptions.of(
        message_column="text",
        lang="arabic",
        max_parts=2,
        simplify_text=True,
        on_empty="fail",
        on_invalid="fail",
        on_refused="skip",
        on_uncertain="resend",
        batch_size=10,
        flash=True,
        recipient_column="phone",
    )
    assert options.content.message_column == "text"
    assert options.content.lang is LangChoice.ARABIC
    assert options.content.simplify_text is True
    assert options.on_empty is OnEmpty.FAIL
    assert options.on_invalid is OnInvalid.FAIL
    assert options.on_refused is OnRefused.SKIP
    assert options.on_uncertain is OnUncertain.RESEND
    assert (options.batch_size, options.flash, options.recipient_column) == (10, True, "phone")


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("batch_size", 0, "batch_size is 0; it must be 1 to 50"),
        ("batch_size", 51, "batch_size is 51; it must be 1 to 50"),
        ("batch_size", "50", "batch_size is '50'; it must be 1 to 50"),
        ("batch_size", True, "batch_size is True; it must be 1 to 50"),
        ("flash", "no", "flash is 'no'; it must be True or False"),
        ("flash", None, "flash is None; it must be True or False"),
        ("deduplicate", 1, "deduplicate is 1; it must be True or False"),
        ("dry_run", "True", "dry_run is 'True'; it must be True or False"),
        ("on_empty", "ignore", "on_empty is 'ignore'; it must be one of 'skip', 'fail'"),
        ("on_invalid", None, "on_invalid is None; it must be one of 'skip', 'fail'"),
        ("on_refused", "retry", "on_refused is 'retry'; it must be one of 'isolate', 'skip', 'fail'"),
        ("on_uncertain", [], "on_uncertain is of type list; it must be one of 'fail', 'resend', 'accept'"),
        ("lang", "en", "lang is 'en'; it must be 'auto', 'english', 'arabic', 0 or 64"),
        ("max_parts", 9, "max_parts is 9; it must be 1 to 5"),
        ("simplify_text", "yes", "simplify_text is 'yes'; it must be True or False"),
        ("simplify_text", 1, "simplify_text is 1; it must be True or False"),
        ("simplify_text", FRAME, "simplify_text is of type DataFrame; it must be True or False"),
        ("message_column", "text", "set either message or message_column"),
        ("message", None, "set either message or message_column"),
        ("message", ["96890001234"], "message is of type list; it must be text, or a dict of texts by language"),
        ("recipient_column", None, "recipient_column is None; it must be text"),
        ("recipient_column", " ", "recipient_column is blank; omit it to use the default"),
        ("recipient_column", ["96890001234"], "recipient_column is of type list; it must be text"),
        ("message_column", True, "message_column is True; it must be text"),
        ("results_path", 5, "results_path is 5; it must be a path or URL as text, a Path or an ObjectStoragePath"),
        (
            "results_path",
            b"x.csv",
            "results_path is of type bytes; it must be a path or URL as text, a Path or an ObjectStoragePath",
        ),
        (
            "results_path",
            [],
            "results_path is of type list; it must be a path or URL as text, a Path or an ObjectStoragePath",
        ),
        (
            "results_path",
            PurePosixPath("s3://bucket/results.csv"),
            f"results_path {SHORTENED}",
        ),
        (
            "settlements_path",
            "file:/settlements.csv",
            f"settlements_path {SHORTENED}",
        ),
        ("results_path", "", "results_path is blank; omit it to use the default"),
        ("lang", True, "lang is True; it must be 'auto', 'english', 'arabic', 0 or 64"),
        ("lang", ["96890001234"], "lang is of type list; it must be 'auto', 'english', 'arabic', 0 or 64"),
        ("max_parts", FRAME, "max_parts is of type DataFrame; it must be 1 to 5"),
        ("batch_size", FRAME, "batch_size is of type DataFrame; it must be 1 to 50"),
        ("flash", FRAME, "flash is of type DataFrame; it must be True or False"),
        ("on_invalid", FRAME, "on_invalid is of type DataFrame; it must be one of 'skip', 'fail'"),
        ("max_credits", -1, "max_credits is -1; it must be None or a whole number of at least 0"),
        ("max_credits", 5.0, "max_credits is 5.0; it must be None or a whole number of at least 0"),
        ("max_credits", True, "max_credits is True; it must be None or a whole number of at least 0"),
        ("max_credits", "1,000", "max_credits is '1,000'; it must be None or a whole number of at least 0"),
        ("max_credits", "-1", "max_credits is '-1'; it must be None or a whole number of at least 0"),
        ("max_credits", "²", "max_credits is '²'; it must be None or a whole number of at least 0"),
        ("max_credits", "", "max_credits is ''; it must be None or a whole number of at least 0"),
        ("max_credits", [5], "max_credits is of type list; it must be None or a whole number of at least 0"),
        ("on_empty", "96890001234", "on_empty is a name of 11 characters; it must be one of 'skip', 'fail'"),
        (
            "message",
            {"en": "Hello"},
            "message is a dict; name the column with each row's language in language_column",
        ),
        ("message", {}, "message is an empty dict; add a template for each language"),
        ("language_column", "lang", "language_column is set, so message must be a dict of templates by language"),
        ("language_column", " ", "language_column is blank; omit it to use the default"),
        ("language_column", ["lang"], "language_column is of type list; it must be text"),
    ],
)
def test_an_error_names_the_option_and_its_allowed_values(option, value, why):
    with pytest.raises(InputError) as caught:
        SendOptions.of(**({"message": "Hello"} | {option: value}))
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"fr": "Bonjour"}, "a key of message is 'fr'; it must be 'ar', 'en' or 'default'"),
        ({1: "Hello"}, "a key of message is '1'; it must be 'ar', 'en' or 'default'"),
        (
            {"96890001234": "Hello"},
            "a key of message is a name of 11 characters; it must be 'ar', 'en' or 'default'",
        ),
        ({"en": "Hello", "English": "Hi"}, "message has two keys for the same language, 'en' and 'English'"),
        (
            {"default": "Hello", " Default": "Hi"},
            "message has two keys for the same language, 'default' and ' Default'",
        ),
        ({"en": "Hello", "ar-OM": " \n"}, "message['ar-OM'] is blank; add a text or remove the key"),
        ({"en": None}, "message['en'] is of type NoneType; it must be text"),
        ({"en": ["96890001234"]}, "message['en'] is of type list; it must be text"),
        ({"en": "Dear {name"}, "message['en'] is not a valid template: expected '}' before end of string."),
        ({"en": "Dear {}"}, "message['en'] has a placeholder {} without a column name; write {name}"),
        ({"en": "Dear {name.x}"}, "message['en'] has the placeholder 'name.x'"),
    ],
)
def test_an_error_in_a_dict_of_templates_names_the_key(message, why):
    with pytest.raises(InputError) as caught:
        SendOptions.of(message=message, language_column="lang")
    assert str(caught.value).startswith(why)


@pytest.mark.parametrize("message", [None, "Hello"])
def test_a_language_column_requires_a_dict(message):
    options = {"message_column": "text"} if message is None else {"message": message}
    with pytest.raises(InputError, match="so message must be a dict"):
        SendOptions.of(**options, language_column="lang")


def test_a_dict_of_templates_excludes_a_message_column():
    with pytest.raises(InputError, match="set either message or message_column"):
        SendOptions.of(message={"en": "Hello"}, language_column="lang", message_column="text")


def test_a_number_that_is_too_long_to_convert_is_an_input_error():
    with pytest.raises(InputError, match=r"^max_credits is .* it must be None or a whole number of at least 0"):
        SendOptions.of(message="Hello", max_credits="9" * 5000)


@pytest.mark.parametrize(("written", "cap"), [(0, 0), (500, 500), ("500", 500), (" 500\n", 500), (None, None)])
def test_max_credits_can_be_text_as_rendered_by_a_template(written, cap):
    assert SendOptions.of(message="Hello", max_credits=written).max_credits == cap


def test_the_repr_of_options_shows_no_number_of_exclude():
    assert "9689000" not in repr(SendOptions.of(message="Hello", exclude=["96890001234"]))
