"""A push over every handshake profile, from the intent to each of its ends."""

import pytest

from gateway.recipes.journal import Outcome
from tests.fakes.equipment import Profile
from tests.unit.recipes.scenario import NEW, OLD, Scenario

PROFILES = ("method", "mailbox", "direct")
STAGED = ("method", "mailbox")


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_push_brings_the_recipe_and_labels_it(profile: Profile) -> None:
    scenario = Scenario(profile)
    push = await scenario.ended()
    assert push.outcome is Outcome.CONFIRMED, push.reason
    assert scenario.fake.active == NEW
    assert scenario.fake.handshake.active_digest == scenario.control.rendered_digest
