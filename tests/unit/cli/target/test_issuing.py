"""What is there is compared with what is wanted, and made where it is not there."""

import pytest

from engine.cli.target.issuing import differences, make_issuer
from engine.cli.target.script import SetupFailed
from tests.unit.cli.target.playing import answer, error, play
from tests.unit.cli.target.wishes import wanted


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"keyType": "ECC", "issuer": {"id": "/A", "more": 1}}, []),
        ({"keyType": "ecc"}, []),
        ({}, []),
        ({"keyType": "RSA"}, ["keyType is 'RSA', wanted is 'ECC'"]),
        ({"issuer": {"id": "/b"}}, ["issuer.id is '/b', wanted is '/a'"]),
        ({"issuer": "x"}, []),
    ],
)
def test_differences_are_what_the_service_tells_otherwise(found: dict[str, object], expected: list[str]):
    """What it does not tell is no difference, nor is letter case."""
    assert differences(found, {"keyType": "ECC", "issuer": {"id": "/a"}}) == expected


def there(**properties: object) -> object:
    """A resource as it is read."""
    return answer(200, {"properties": {"provisioningState": "Succeeded", **properties}})


def test_resource_that_failed_is_asked_for_again():
    """A root that ended as failed is put once more, and looked at until it is there."""
    failed, making = answer(200, {"properties": {"provisioningState": "Failed"}}), there(provisioningState="Creating")
    _, stage = play(make_issuer(wanted(), "westeurope"), [failed, answer(201), making, there(), there()])
    assert [request.method for request in stage.asked[:4]] == ["GET", "PUT", "GET", "GET"]
    assert "PUT" not in [request.method for request in stage.asked[4:]]


def test_resource_that_fails_again_is_told():
    """It ended as the service says."""
    with pytest.raises(SetupFailed, match="root certificate authority certfleet-root ended as failed"):
        play(make_issuer(wanted(), "x"), [answer(200, {"properties": {"provisioningState": "Failed"}})])


def test_resource_that_never_comes_is_given_up():
    """After 15 minutes."""
    with pytest.raises(SetupFailed, match="not there after 900 s"):
        play(make_issuer(wanted(), "x"), [there(provisioningState="Creating")])


def test_order_is_root_issuing_policy():
    """The policy is under the issuing authority: under the root it would be refused."""
    missing = error(404, "ResourceNotFound")
    _, stage = play(make_issuer(wanted(), "x"), [missing, answer(201), there()] * 3)
    puts = [
        request.url.partition("?")[0].partition("/adr-one/")[2] for request in stage.asked if request.method == "PUT"
    ]
    assert puts == [
        "certificateAuthorities/certfleet-root",
        "certificateAuthorities/certfleet",
        "certificateAuthorities/certfleet/certificatePolicies/certfleet",
    ]
