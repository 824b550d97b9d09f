"""Secrets and personal data get pseudonyms, the same value the same one; other text stays as it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.report.pseudonyms import Pseudonyms

SALT = b"a salt for tests"


def names(**options):
    return Pseudonyms(SALT, **options)


FOUND = [
    ("email", "jane.doe+x@mail.example.co.uk"),
    ("email", "müller@beispiel.de"),
    ("phone", "+44 20 7946 0958"),
    ("phone", "+49 30 901820"),
    ("phone", "(415) 555-2671"),
    ("phone", "415.555.2671"),
    ("phone", "1-415-555-2671"),
    ("email", "jane＠example.com"),
    ("email", "jane%40example.com"),
    ("phone", "0049 30 901820"),
    ("phone", "0044 (20) 7946-0958"),
    ("card", "4111\xa01111\xa01111\xa01111"),
    ("card", "4111 1111 1111 1111"),
    ("card", "5213591727586604"),
    ("card", "3782-822463-10005"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432"),
    ("iban", "de89 3704 0044 0532 0130 00"),
    ("iban", "DE89-3704-0044-0532-0130-00"),
    ("ssn", "123-45-6789"),
    ("ip", "58.74.121.78"),
    ("ip", "2001:db8::ff00:42:8329"),
    ("ip", "::1"),
    ("ip", "::ffff:cb00:7107"),
    ("key", "sk-proj-abcdefghijklmnop0123456789"),
    ("key", "AKIAIOSFODNN7EXAMPLE"),
    ("key", "ghp_0123456789abcdefghijklmnopqrstuvwxyz"),
    ("key", "npm_0123456789abcdefghijklmnopqrstuvwxyz"),
    ("key", "SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz0123456789"),
    ("key", "dapi0123456789abcdef0123456789abcdef"),
    ("key", "SK0123456789abcdef0123456789abcdef"),
    ("key", "GOCSPX-abcdefghijklmnopqrstuvwxyz"),
    ("key", "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH"),
    ("key", "glpat-AbCdEfGhIjKlMnOpQrSt"),
    ("key", "xapp-1-A0123456789-1234567890123-abcdef0123456789abcdef0123456789"),
    ("key", "pk-lf-01234567-89ab-cdef-0123-456789abcdef"),
    ("key", "hvs.CAESIJ0123456789abcdefghijklmnop"),
    ("key", "AGE-SECRET-KEY-1" + "Q" * 58),
    ("key", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----"),
    (
        "key",
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: 0F\n\nMII\n-----END EC PRIVATE KEY-----",
    ),
    ("phone", "+234 803 123 4567"),
    ("phone", "011 44 20 7946 0958"),
    ("phone", "00 44 20 7946 0958"),
    ("email", "user@xn--e1afmkfd.xn--p1ai"),
    ("email", "jane%2540example.com"),
    ("email", "jane&#x0040;example.com"),
    ("key", "ya29.a0abcdefghijklmnopqrstuv"),
    ("email", "jane&#64;example.com"),
    ("email", r"jane\u0040example.com"),
    ("email", "jane\u200b@example.com"),
    ("email", "jane@exam\xadple.com"),
    ("email", "\u202ajane@example\u2060.com\u202c"),
    ("phone", "+44\u202f20\u20097946\u20110958"),
    ("card", "4111\u20131111\u20131111\u20131111"),
    ("card", "4111\u20091111\u20091111\u20091111"),
    ("card", "４１１１ １１１１ １１１１ １１１１"),
    ("iban", "DE89\u202f3704\u202f0044\u202f0532\u202f0130\u202f00"),
    ("ssn", "123\u201145\u20116789"),
    ("ip", "58.74.\u200b121.78"),
    ("key", "sk-proj-abcdefghij\u200bklmnop0123456789"),
]
FRAMES = ["{}", "It is {}.", "({})", 'a "{}" b', "first line\n{}\nlast", "{}, and {}", "é {} ü", "<b>{}</b>"]
LEFT = [
    "", "In 2024 there were 12345 items", "version 1.2.3", "pi is 3.14159265358979", "at 12:30:45", "std::map a::b",
    "4111111111111112", "2024-05-06", "0000 0000 0000 0000", "a@b", "me @ home", "3... 2... 1...", "x" * 1000,
    "npm-check-updates-17.0.1-beta", "npm_config_cache", "order 00123456", "the code 00 1 2 3", "SK-1234",
    "sk-estimator-html-v12-container", "sk-learn-contrib-project-2024", "hf_hub_download_file_v2_path",
    "fw-update-2024-release-notes", "Bearer authentication-scheme2-token", "icon@3x.png", "v1.2.3.4",
    "2020-01-01 2020-01-01 1.0", "x[::2] and y[1::2]", "fix='@pytest.mark.llm'",
    "Chrome/120.0.0.0 Safari/537.36", "package==1.2.3.4", "SKU 1234-567-8901",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "GB82WEST12345698765431", "999.1.1.1",
]  # fmt: skip


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(("kind", "value"), FOUND)
def test_what_is_personal_or_secret_is_replaced_and_nothing_around_it(kind, value, frame):
    shown = names().text(frame.replace("{}", value))
    pseudonym = names().text(value)
    assert pseudonym.startswith(f"[{kind}-")
    assert pseudonym.endswith("]")
    assert shown == frame.replace("{}", pseudonym)


@pytest.mark.parametrize("text", LEFT)
def test_other_text_stays_as_it_is(text):
    assert names().text(text) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jane@Example.com", "jane@example.COM"),
        ("+1 415 555 2671", "(415) 555-2671"),
        ("+14155552671", "415-555-2671"),
        ("4111 1111 1111 1111", "4111-1111-1111-1111"),
        ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        ("DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
        ("+49 30 901820", "0049 30 901820"),
        ("jane@example.com", "jane＠example.com"),
        ("jane@example.com", "jane%40example.com"),
        ("jane@example.com", "jane\u200b@example.com"),
        ("4111 1111 1111 1111", "４１１１１１１１１１１１１１１１"),
        ("4111 1111 1111 1111", "\u0664\u0661\u0661\u0661" + "\u0661" * 12),
        ("123-45-6789", "123\u201145\u20116789"),
    ],
)
def test_one_value_has_one_pseudonym_however_it_is_spelt(one, other):
    assert names().text(one) == names().text(other)
    assert names().text(one) != Pseudonyms(b"another salt ...").text(one)


def test_different_values_have_different_pseudonyms():
    shown = [names().text(f"user{number}@example.com") for number in range(2000)]
    assert len(set(shown)) == 2000


def test_words_of_a_list_are_replaced_in_any_case_the_longest_first():
    found = names(words=["Jane Doe", "jane", "", "  "])
    assert found.text("JANE DOE met Jane.") == f"{found.text('Jane Doe')} met {found.text('Jane')}."
    assert found.text("nothing") == "nothing"


@pytest.mark.parametrize("word", ["Müller", "Mu\u0308ller", " müller "])
@pytest.mark.parametrize(
    "spelling",
    ["Müller", "MÜLLER", "Mu\u0308ller", r"M\u00fcller", r"M\u00FCller", "M%C3%BCller", "Mül\xadler"],
)
def test_a_word_of_a_list_is_found_however_it_is_spelt(word, spelling):
    found = names(words=[word])
    assert found.text(spelling) == found.text("Müller") == found.text("müller") != "müller"
    assert found.text(f'{{"name": "{spelling}"}}') == f'{{"name": "{found.text("Müller")}"}}'


@pytest.mark.parametrize("spelling", ["Ann Lee", "ANN\nLEE", "ann \t lee", "Ann\xa0Lee", "Ann%20Lee", "Ann\u2009Lee"])
def test_the_space_in_a_word_of_a_list_is_any_space(spelling):
    found = names(words=["Ann Lee", "Weiß"])
    assert found.text(spelling) == found.text("ann lee") != "ann lee"
    assert found.text("WEISS") == found.text("Weiß")


def luhn(first):
    """Return the number with the check digit that makes it pass as a card's."""
    digits = [int(digit) for digit in reversed(first)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[::2]]
    return f"{first}{-sum([*doubled, *digits[1::2]]) % 10}"


@pytest.mark.parametrize(
    "first",
    ["400000000012", "3600000000123", "37000000000012", "213100000000012", "222300000000012", "555500000000001",
     "620000000000000123"],
)  # fmt: skip
def test_a_number_that_begins_as_cards_of_its_length_do_is_one(first):
    assert names().text(luhn(first)).startswith("[card-")
    assert names().value({"n": int(luhn(first))}) == {"n": names().text(luhn(first))}


@pytest.mark.parametrize(
    "first", ["171499624512", "171499624512345", "171499624512345678", "978316148410", "49015420323751"]
)
def test_times_articles_and_devices_are_no_cards_where_their_digits_pass_the_check(first):
    assert names().text(luhn(first)) == luhn(first)
    assert names().value({"n": int(luhn(first))}) == {"n": int(luhn(first))}


def test_phone_numbers_without_a_country_code_need_a_region():
    assert names().text("030 901820") == "030 901820"
    assert names(region="DE").text("030 901820") == names().text("+49 30 901820")
    with pytest.raises(InsideLLMsError, match="not a region"):
        names(region="Germany")


@pytest.mark.parametrize(
    ("region", "number"),
    [("FR", "06 12 34 56 78"), ("FR", "01.02.20.03.04"), ("AR", "011 2345-0384"), ("US", "011 44 20 7946 0958"),
     ("GB", "020 7946 0958"), ("NC", "+687 20.08.01")],
)  # fmt: skip
def test_numbers_of_a_region_are_found_as_people_there_write_them(region, number):
    assert names(region=region).text(f"call {number} now").startswith("call [phone-")


@pytest.mark.parametrize(
    "date",
    ["05.06.2024", "05.06.2024 12:30", "08.04.2010 - 09.04.2010", "04.07. - 04.07.2028", "04.08.87", "2024-05-06",
     "1/2/2024", "08/31/95", "2024/05/06, 12 Uhr"],
)  # fmt: skip
@pytest.mark.parametrize("region", ["DE", "FR", "IN", "IT", "US", None])
def test_a_date_is_no_phone_number_in_any_region(date, region):
    assert names(region=region).text(f"on {date} there") == f"on {date} there"


def test_values_keys_and_numbers_of_json_are_replaced():
    shown = names().value(
        {"a@example.com": [1, 2.5, None, True, 4111111111111111, 4111111111111111.0, {"x": ("b@example.com",)}]}
    )
    assert shown == {
        names().text("a@example.com"): [
            *(1, 2.5, None, True),
            names().text("4111111111111111"),
            names().text("4111111111111111"),
            {"x": [names().text("b@example.com")]},
        ]
    }


def test_two_keys_of_one_pseudonym_keep_their_values():
    shown = names().value({"a@example.com": 1, "A@example.com": 2, "b": 3})
    email = names().text("a@example.com")
    assert shown == {email: 1, f"{email}'": 2, "b": 3}


@pytest.mark.parametrize(
    "name",
    ["password", "user_password", "API-KEY", "apiKey", "client_secret", "Authorization", "userPassword", "auth_token"],
)
def test_what_stands_under_the_name_of_a_secret_is_replaced_whatever_it_looks_like(name):
    given = {"tool": "login", "arguments": {name: "hunter2", "user": "it"}, "twice": [{name: "hunter2"}]}
    shown = names().value(given)
    secret = shown["arguments"][name]
    assert secret.startswith("[key-")
    assert shown == {"tool": "login", "arguments": {name: secret, "user": "it"}, "twice": [{name: secret}]}
    assert names().value(shown) == shown


@pytest.mark.parametrize(
    "frame",
    [
        "password={}", "PGPASSWORD={} psql", "x-api-key: {}", "AWS_SECRET_ACCESS_KEY = {}", "openaiApiKey: {}",
        "https://example.com/?api_key={}&page=2", "https://example.com/?sig={}&se=1", "password:\n  {}", "api_key='{}'",
        '{{"user": "it", "password": "{}"}}',
        '{{\\"password\\": \\"{}\\"}}', '{{\\\\\\"password\\\\\\": \\\\\\"{}\\\\\\"}}',
    ],
)  # fmt: skip
def test_a_secret_within_a_text_is_replaced_by_its_name(frame):
    shown = names().text(frame.format("hunter2/EXAMPLE+KEY"))
    assert shown == frame.format(names().pseudonym("key", "hunter2/EXAMPLE+KEY"))
    assert names().text(shown) == shown


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize("secret", ["hunter2", "it's", 'a "b" c', "back\\slash", "tab\t", "é ü", "x" * 150])
def test_a_secret_in_json_within_json_is_replaced_whole(secret, depth):
    text = json.dumps({"password": secret, "after": "it"})
    for _ in range(depth):
        text = json.dumps({"arguments": text})
    shown = names().text(text)
    for _ in range(depth):
        shown = json.loads(shown)["arguments"]
    found = json.loads(shown)
    assert found["after"] == "it"
    assert found["password"].startswith("[key-")
    assert len(found["password"]) == len(names().pseudonym("key", ""))


@pytest.mark.parametrize(
    "text",
    [
        "def login(password: str, api_key: str = None)",
        'api_key = os.environ["OPENAI_API_KEY1"]', "api_key = load1(x)",
        "Password: 8-64 characters", "password: the secret word",
        '"password": {"type": "string1"}', "PASSWORD=${DB_PASS1}",
        "password=$DB_PASS1", "access_token == token2", 'if password == "x":', "authorization: https://auth0.example.com/",
        "private_key: ed25519.Ed25519PrivateKey", 'api_key: "${{ secrets.KEY }}"', 'api_key="<your key>"',
        "password: /etc/secrets/db1", "?token=abc", "docs?key=value", "authorization: required",
    ],
)  # fmt: skip
def test_code_and_prose_about_secrets_stay(text):
    assert names().text(text) == text


def test_other_names_and_values_that_are_no_text_stay():
    given = {
        "token": "the",
        "key": "a",
        "passwords": "x",
        "password": None,
        "api_key": "",
        "keyboard": "y",
        "apikey": [1],
    }
    assert names().value(given) == given


@given(st.text())
def test_any_text_can_be_read_and_a_second_pass_changes_nothing(text):
    once = names().text(text)
    assert names().text(once) == once


@pytest.mark.timeout(60)  # quadratic work on so much takes minutes
@pytest.mark.parametrize(
    "text",
    [
        "1" * 20_000,
        "a@" * 10_000,
        "1-" * 10_000,
        "::" * 10_000,
        "DE89 " * 5_000,
        "a." * 20_000 + "@",
        'password="' * 5_000,
        "sk-" * 7_000,
        "-----BEGIN PRIVATE KEY-----" * 800,
    ],
)
def test_hostile_texts_take_no_more_time_than_others(text):
    names().text(text)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "phonenumbers", None)
    with pytest.raises(InsideLLMsError) as caught:
        names()
    assert caught.value.fix == "pip install 'insidellms[redact]'"
