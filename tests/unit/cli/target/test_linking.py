"""What to do next about a namespace, for everything that it can look like."""

import pytest

from engine.cli.target.linking import Done, GiveUp, Settle, Submit, Wait, decide
from engine.cli.target.linking import link as link_all
from engine.cli.target.script import SetupFailed
from engine.protocol.arm import ResourceId
from engine.protocol.http import Response
from engine.protocol.namespace import STILL_REPLICATING, Link, LinkState, Seen
from tests.unit.cli.target.playing import answer, error, play
from tests.unit.cli.target.wishes import wanted

HUB = ResourceId("sub", "rg", "Microsoft.Devices/IotHubs", "iot-one")
DPS = ResourceId("sub", "rg", "Microsoft.Devices/provisioningServices", "dps-one")
OTHER = Link("/somebody/elses", LinkState.LINKED)
WANTED = (HUB, DPS)

LINKED, FAILED, UNDER_WAY = LinkState.LINKED, LinkState.FAILED, LinkState.UNDER_WAY
ROLES = "AuthorizationFailed"


def seen(state: str, *links: Link) -> Seen:
    """A namespace in that state."""
    return Seen(state, links, "westeurope", {})


def link(resource: ResourceId, state: LinkState, error: str = "") -> Link:
    """A link; letter case of an id means nothing."""
    return Link(str(resource).upper(), state, error)


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        (seen("succeeded"), Submit(WANTED, is_whole=True)),
        (seen("failed"), Submit(WANTED, is_whole=True)),
        (seen(""), Submit(WANTED, is_whole=True)),
        (seen("updating"), Wait("the namespace is updating")),
        (seen("succeeded", link(HUB, LINKED), link(DPS, LINKED)), Done()),
        (seen("succeeded", link(HUB, LINKED), link(DPS, LINKED), OTHER), Done()),
        (seen("failed", link(HUB, LINKED), link(DPS, LINKED)), Settle()),
        (seen("canceled", link(HUB, LINKED), link(DPS, LINKED)), Settle()),
        (seen("updating", link(HUB, LINKED), link(DPS, LINKED)), Wait("the namespace is updating")),
        (seen("failed", link(HUB, UNDER_WAY), link(DPS, LINKED)), Wait("iot-one")),
        (seen("succeeded", link(HUB, LINKED)), Submit((DPS,), is_whole=False)),
        (seen("succeeded", OTHER), Submit(WANTED, is_whole=False)),
        (
            seen("failed", link(HUB, FAILED, ROLES), link(DPS, LINKED)),
            Submit((HUB,), is_whole=False, reasons=(ROLES,)),
        ),
        (seen("failed", link(HUB, FAILED, ROLES)), Submit(WANTED, is_whole=True, reasons=(ROLES,))),
        (seen("failed", link(HUB, FAILED, ROLES), link(DPS, UNDER_WAY)), Wait("dps-one")),
        (seen("updating", link(HUB, FAILED, "Other"), link(DPS, UNDER_WAY)), GiveUp("iot-one: Other")),
        (seen("failed", link(HUB, FAILED), link(DPS, LINKED)), GiveUp("iot-one: no code")),
    ],
)
def test_decision_follows_from_what_was_seen(namespace: Seen, expected: object):
    """A link that is there is never sent again, and one of somebody else's never left out of a whole namespace."""
    assert decide(namespace, WANTED) == expected


@pytest.mark.parametrize("code", sorted(STILL_REPLICATING))
def test_every_code_of_roles_on_their_way_is_tried_again(code: str):
    """There are six of them."""
    decision = decide(seen("failed", link(HUB, FAILED, code), link(DPS, LINKED)), WANTED)
    assert decision == Submit((HUB,), is_whole=False, reasons=(code,))
    assert len(STILL_REPLICATING) == 6


def test_both_that_failed_are_sent_in_the_order_that_was_asked_for():
    """What is sent does not depend on the order of a set."""
    decision = decide(seen("failed", link(HUB, FAILED, ROLES), link(DPS, FAILED, ROLES)), WANTED)
    assert decision == Submit(WANTED, is_whole=True, reasons=(ROLES,))


def told(state: str, *links: Link) -> Response:
    """The answer that shows a namespace so."""
    endpoints = {
        str(n): {"resourceId": one.resource_id, "linkingState": one.state.title(), "linkingError": {"code": one.error}}
        for n, one in enumerate(links)
    }
    properties = {"provisioningState": state, "messaging": {"endpoints": endpoints}}
    return answer(200, {"location": "westeurope", "properties": properties})


def test_links_are_looked_at_every_15_s_and_sent_again_after_30_s():
    """Roles need time to arrive: asking at once would use up the five tries."""
    failed, linked = told("Failed", link(HUB, FAILED, ROLES), link(DPS, LINKED)), link(DPS, LINKED)
    answers = [told("Succeeded"), answer(201), failed, answer(200), told("Succeeded", link(HUB, LINKED), linked)]
    is_done, stage = play(link_all(wanted()), answers)
    assert is_done
    assert [request.method for request in stage.asked] == ["GET", "PUT", "GET", "PATCH", "GET"]
    assert stage.asked_at == [0, 0, 15, 45, 60]


def test_links_that_are_there_cost_one_look():
    """And nothing was done."""
    is_done, stage = play(link_all(wanted()), [told("Succeeded", link(HUB, LINKED), link(DPS, LINKED))])
    assert not is_done
    assert [request.method for request in stage.asked] == ["GET"]


def test_request_for_links_that_is_refused_is_told():
    """One that is malformed does not get better; one that meets somebody else's does."""
    with pytest.raises(SetupFailed, match="the links of namespace adr-one: 400 InvalidEndpoint, words"):
        play(link_all(wanted()), [told("Succeeded"), error(400, "InvalidEndpoint")])
    linked = told("Succeeded", link(HUB, LINKED), link(DPS, LINKED))
    _, stage = play(link_all(wanted()), [told("Succeeded"), error(409, "Busy", retry_after="9"), linked])
    assert stage.asked_at == [0, 0, 9 + 15]


def test_namespace_that_is_gone_is_told():
    """What was there a moment ago is not made anew."""
    with pytest.raises(SetupFailed, match="there is no namespace adr-one: deploy infra/target first"):
        play(link_all(wanted()), [error(404, "ResourceNotFound")])
