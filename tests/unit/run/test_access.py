"""Who may call the API, and as whom."""

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from doubles.means import make_means
from engine.errors import Forbidden, Unauthorized
from engine.run import api
from engine.run.access import Access, Guard, admit
from engine.run.answers import Request, answer, refusal

ALICE = "aaaaaaaa-0000-4000-8000-000000000001"
ROBOT = "bbbbbbbb-0000-4000-8000-000000000002"
ROBOTS_APP = "cccccccc-0000-4000-8000-000000000003"
TENANT = Access(Guard.ENTRA)
SPEC = b'{"scenario": "cert-renewal"}'
SCOPE = "http://schemas.microsoft.com/identity/claims/scope"


def headers(object_id: str, name: str = "", *, claims: Any = None, provider: str = "aad") -> dict[str, str]:
    """What the platform says of a caller; claims is a mapping, or the header's text."""
    if not isinstance(claims, str):
        held = [{"typ": kind, "val": value} for kind, value in (claims or {}).items()]
        claims = b64encode(json.dumps({"auth_typ": provider, "claims": held}).encode()).decode()
    ours = {"-id": object_id, "-name": name, "-idp": provider, "": claims}
    return {f"x-ms-client-principal{rest}": value for rest, value in ours.items() if value}


def listed(*principals: str) -> Access:
    """Only these may call."""
    return Access(Guard.ENTRA, frozenset(principals))


def test_nobody_is_asked_on_ones_own_machine() -> None:
    """And nobody is told apart, whatever a request says."""
    assert admit(headers(ALICE, "alice"), Access()) == ""


def test_holder_of_a_key_is_nobody_in_particular() -> None:
    """Whoever has a key can send any header: none of them is believed."""
    access = Access(Guard.KEY, frozenset({ALICE}))
    assert admit({}, access) == admit(headers(ROBOT, "alice"), access) == "key"


def test_principal_is_known_by_name_or_by_object_id() -> None:
    """The name where there is one; blanks and what cannot be printed are no part of it."""
    assert admit(headers(ALICE, " alice@contoso.example "), TENANT) == "alice@contoso.example"
    assert admit(headers(ALICE.upper()), TENANT) == ALICE
    assert admit(headers(ALICE, "a\nb\x1b[31mc"), TENANT) == "ab[31mc"
    assert admit(headers(ALICE, "x" * 5000), TENANT) == "x" * 128


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"x-ms-client-principal-name": "alice", "x-ms-client-principal-idp": "aad"},
        headers(" ", "alice"),
        headers(ALICE, "alice", provider="github"),
        headers(ALICE, "alice", provider=""),
        {"authorization": "Bearer of-something", "x-functions-key": "of-something"},
    ],
)
def test_request_that_entra_vouches_for_nobody_is_unauthorized(sent: dict[str, str]) -> None:
    """No principal, or one of another provider; a token that the platform has not looked at is none."""
    with pytest.raises(Unauthorized) as refused:
        admit(sent, TENANT)
    assert refusal(refused.value).status == 401
    assert refusal(refused.value).headers == {"WWW-Authenticate": "Bearer"}
    assert "of-something" not in str(refused.value)


def test_listed_principals_may_call_and_others_may_not() -> None:
    """By object id, in either case; being of the tenant is not enough then."""
    assert admit(headers(ALICE.upper(), "alice"), listed(ALICE)) == "alice"
    with pytest.raises(Forbidden) as refused:
        admit(headers(ROBOT, ALICE), listed(ALICE))
    assert refusal(refused.value).status == 403


@pytest.mark.parametrize("kind", ["appid", "azp"])
def test_listed_app_may_call_for_itself(kind: str) -> None:
    """Its token has its application id, by the name of either version."""
    assert admit(headers(ROBOT, claims={kind: ROBOTS_APP.upper()}), listed(ROBOTS_APP)) == ROBOT


@pytest.mark.parametrize("scope", ["scp", SCOPE])
def test_user_of_a_listed_app_is_not_the_app(scope: str) -> None:
    """Else listing an app would let everybody in who may use it."""
    sent = headers(ALICE, claims={"appid": ROBOTS_APP, scope: "user_impersonation"})
    with pytest.raises(Forbidden):
        admit(sent, listed(ROBOTS_APP))
    assert admit(sent, listed(ALICE)) == ALICE


@pytest.mark.parametrize(
    "claims", ["", "!", "bm8=", b64encode(b"[]").decode(), b64encode(b'{"claims": 7}').decode(),
               b64encode(b'{"claims": [7]}').decode(), b64encode(b'{"claims": [{"typ": "appid"}]}').decode(),
               b64encode(b"[" * 100_000).decode()]
)  # fmt: skip
def test_claims_that_cannot_be_read_say_nothing(claims: str) -> None:
    """They make nobody an app, and do not stand in the way of who is listed."""
    with pytest.raises(Forbidden):
        admit(headers(ROBOT, claims=claims), listed(ROBOTS_APP))
    assert admit(headers(ALICE, claims=claims), listed(ALICE)) == ALICE


def test_run_says_who_asked_for_it_first() -> None:
    """Whoever posts the same again has not started it."""
    means = make_means()
    asked = Request(SPEC, headers={"idempotency-key": "run-a"}, principal="alice@contoso.example")
    assert answer(api.post_run, asked, means).status == 202
    assert answer(api.post_run, replace(asked, principal="bob@contoso.example"), means).status == 200
    shown = json.loads(answer(api.get_run, Request(run_id="run-a"), means).body)
    (listed,) = json.loads(answer(api.get_runs, Request(), means).body)["runs"]
    assert shown["startedBy"] == listed["startedBy"] == "alice@contoso.example"
