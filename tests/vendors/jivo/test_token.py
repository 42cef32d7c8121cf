"""What a user_token says: every shape of the contract's section 7.2."""

from __future__ import annotations

import base64
import json

import pytest

from webapp.conversation import SessionToken
from webapp.vendors.jivo.assumptions import LONGEST_TOKEN
from webapp.vendors.jivo.token import read_token

from .bodies import finished, read


def jwt(claims: object, header: object = None) -> str:
    parts = [json.dumps(header or {"alg": "HS256", "typ": "JWT"}), json.dumps(claims)]
    encoded = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


CREDENTIALS = "site_key---abc|||key---x|||uri---https://shop.example/?a=b|||visitor_id---8|||hit_id---9|||session_id---"


@pytest.mark.parametrize(
    ("raw", "kind", "visit"),
    [
        ("as1.14783261234", "own", "14783261234"),
        ("as1.000123", "own", "123"),
        ("as1.0", "own", None),
        ("as1.99999999999999999999", "own", None),
        ("as1.8f3c2d7e-5b1a.1700", "own", "8f3c2d7e-5b1a.1700"),
        ("as1.", "foreign", None),
        ("as1.шторы", "foreign", None),
        ("as1." + "a" * 61, "too_long", None),
        ("2032047566.3117192853.1555675484", "comagic_cookie", "3117192853"),
        ("1.2.3", "foreign", None),
        (CREDENTIALS + "14783261234", "credentials", "14783261234"),
        (CREDENTIALS + "14783261234|||consultant_server_url---https://x.example/", "credentials", "14783261234"),
        (CREDENTIALS + "NaN", "credentials", None),
        (CREDENTIALS, "credentials", None),
        ("session_id---5", "credentials", "5"),
        ("site_key#abc|session_id#14783261234|hit_id#9|", "credentials", "14783261234"),
        ("visitor_session_id---5", "credentials", None),
        ('{"session_id": 14783261234}', "json", "14783261234"),
        ('{"session_id": "14783261234", "a": [1]}', "json", "14783261234"),
        ('{"session_id": null}', "json", None),
        ('{"session_id": -5}', "json", None),
        ('{"session_id": 1e30}', "json", None),
        ("{broken", "foreign", None),
        ('{"a":' * 300, "foreign", None),
        ("14783261234", "digits", None),
        ("12345", "foreign", None),
        ("1700000000123456789", "digits", None),
        (jwt({"id": "user1", "session_id": 14783261234}), "jwt", "14783261234"),
        (jwt({"id": "14783261234"}), "jwt", None),
        (jwt({"id": "user1"}), "jwt", None),
        (jwt([1, 2]), "jwt", None),
        (jwt({"id": jwt({"session_id": 5})}), "jwt", None),
        ("https://shop.example/::yandex::shop", "foreign", None),
        ("1234567890.1700000000", "foreign", None),
        ("abcd.efgh.ijkl", "foreign", None),
        ("a1b2c3_123", "foreign", None),
        ("a" * LONGEST_TOKEN, "foreign", None),
    ],
)
def test_every_shape_of_token(raw, kind, visit):
    assert read_token(raw) == SessionToken(raw, kind, visit)


def test_bare_digits_are_a_session_only_by_the_customers_choice():
    assert read_token("14783261234", accept_digits=True) == SessionToken("14783261234", "digits", "14783261234")
    token = jwt({"id": "14783261234"})
    assert read_token(token, accept_digits=True) == SessionToken(token, "jwt", "14783261234")
    assert read_token("99999999999999999999", accept_digits=True).visit is None


def test_a_token_of_four_kilobytes_is_cut_and_not_read():
    """J-07."""
    token = read_token("as1." + "1" * 4096)
    assert (token.kind, token.visit, len(token.raw)) == ("too_long", None, LONGEST_TOKEN)


@pytest.mark.parametrize("none", [None, "", "  ", {}, [], True, ["as1.5"], {"session_id": 5}, 1e999])
def test_no_token_is_none(none):
    assert read_token(none) is None
    assert read(finished(user_token=none)).conversations[0].clues.token is None


def test_a_number_is_a_token_of_digits():
    assert read_token(14783261234) == SessionToken("14783261234", "digits", None)


def test_control_characters_are_not_part_of_a_token():
    assert read_token(" as1.5\u0000\n") == SessionToken("as1.5", "own", "5")
