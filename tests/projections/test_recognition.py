"""Kudos, shared pages, mastered skills and changed rules, from the log to the tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from recorder_kit import OnePartition, event, users_of

from projections import achievements
from projections.rebuild import rebuild
from schemas.achievement_rules import AchievementRule, read_rules, shipped_rules

PART = 5
USERS = iter(users_of(PART, 60))
AT = "2026-02-01T10:00:00Z"


class Product(OnePartition):
    """A recorder of one partition, asked what it keeps of a learner."""

    def command(self, kind: str, user: str, **fields: Any) -> tuple[int, str | None]:
        """Carries a command out; its verdict and the type of its problem."""
        return self.verdict(kind, user, AT, **fields)

    def unlocked(self, user: str) -> set[tuple[str, int]]:
        """What a learner has unlocked."""
        rows = self.connection.execute(
            "SELECT achievement_id, tier FROM achievement_unlock JOIN learners USING (learner_key) WHERE user_id = %s",
            (user,),
        )
        return set(rows.fetchall())

    def announced(self, user: str) -> list[tuple[str, int]]:
        """What was announced of a learner on the topic of achievements."""
        rows = self.connection.execute(
            "SELECT record_value FROM outbox JOIN learners USING (learner_key)"
            " WHERE user_id = %s AND topic = 'achievements'",
            (user,),
        )
        data = [json.loads(bytes(value))["data"] for (value,) in rows.fetchall()]
        return sorted((one["achievementId"], one["tier"]) for one in data)


@pytest.fixture(scope="module")
def product(module_database_url: str) -> Iterator[Product]:
    """One for the module; every test has learners of its own."""
    made = Product(module_database_url, PART)
    yield made
    made.close()


def share(product: Product, user: str) -> None:
    """A learner who shares and has completed something."""
    product.record([event(user, interactionType="COMPLETE", contentId=f"item-of-{user}")])
    product.command("ConsentSet", user, purposes={"share": True})


def test_kudos_count_once_a_giver_and_feed_the_social_rules(product: Product) -> None:
    """Peers' kudos unlock the rule that counts them; the second of a giver, and one's own, are refused."""
    user, *peers = (next(USERS) for _ in range(4))
    product.record([event(peer) for peer in peers])
    share(product, user)
    give = {"achievementId": "finisher"}
    assert product.command("KudosGiven", user, giverId=peers[0], **give) == (201, None)
    assert product.command("KudosGiven", user, giverId=peers[0], **give) == (409, "/problems/kudos-given")
    assert product.command("KudosGiven", user, giverId=user, **give) == (409, "/problems/own-kudos")
    assert ("well-liked", 1) in product.unlocked(user)
    assert ("many-friends", 1) not in product.unlocked(user)
    for peer in peers[1:]:
        product.command("KudosGiven", user, giverId=peer, **give)
    assert ("many-friends", 1) in product.unlocked(user)
    assert product.announced(user).count(("well-liked", 1)) == 1


def test_kudos_need_a_shared_achievement_and_a_known_giver(product: Product) -> None:
    """What is locked or not shared answers like what is not there, so that nothing can be found out."""
    user, peer = next(USERS), next(USERS)
    product.record([event(user, interactionType="COMPLETE"), event(peer)])
    refused = (404, "/problems/not-shared")
    assert product.command("KudosGiven", user, giverId=peer, achievementId="finisher") == refused
    product.command("ConsentSet", user, purposes={"share": True})
    assert product.command("KudosGiven", user, giverId=peer, achievementId="sharer") == refused
    unknown = product.command("KudosGiven", user, giverId="nobody", achievementId="finisher")
    assert unknown == (404, "/problems/unknown-giver")


def test_a_page_needs_consent_and_keeps_its_address_until_taken_back(product: Product) -> None:
    """Without consent 409; a new name keeps the token; taken back, the row is gone."""
    user = next(USERS)
    page = {"active": True, "displayName": "Ada", "pageToken": "one"}
    assert product.command("AchievementsPageSet", user, **page) == (409, "/problems/consent-needed")
    product.command("ConsentSet", user, purposes={"share": True})
    product.command("AchievementsPageSet", user, **page)
    product.command("AchievementsPageSet", user, active=True, displayName="Ada L.", pageToken="two")
    rows = "SELECT token, display_name FROM learner_private_page JOIN learners USING (learner_key) WHERE user_id = %s"
    assert product.connection.execute(rows, (user,)).fetchall() == [("one", "Ada L.")]
    product.command("AchievementsPageSet", user, active=False)
    assert product.connection.execute(rows, (user,)).fetchall() == []


def test_a_mastered_skill_is_an_achievement(product: Product) -> None:
    """Success after success at a skill's contents ends in mastery, which unlocks, is kept, and is rebuilt the same."""
    user = next(USERS)
    for number in range(40):
        done = {"interactionType": "ATTEMPT", "success": True, "contentId": "skilled", "score": 1}
        product.record([event(user, occurredAt=f"2026-01-{1 + number // 2:02d}T10:00:00Z", **done)])
    assert ("skill-master", 1) in product.unlocked(user)
    assert product.announced(user).count(("skill-master", 1)) == 1
    assert rebuild(product.url, "achievements").differences == 0


def test_a_skill_that_is_mastered_and_lost_within_one_poll_counts(product: Product) -> None:
    """One poll or one an event: the same tier, unlocked by the same attempt, although failures follow it."""
    at = "SELECT unlocked_at FROM achievement_unlock JOIN learners USING (learner_key) " \
        "WHERE user_id = %s AND achievement_id = 'skill-master'"  # fmt: skip
    still = "SELECT bool_or(mastered) FROM learner_skill JOIN learners USING (learner_key) WHERE user_id = %s"
    moments = []
    for one_poll in (True, False):
        user = next(USERS)
        attempts = [
            event(
                user, interactionType="ATTEMPT", contentId="lost", score=float(n < 40), success=n < 40,
                occurredAt=f"2026-01-{1 + n // 2:02d}T1{n % 2}:00:00Z",
            )
            for n in range(60)
        ]  # fmt: skip
        for part in [attempts] if one_poll else [[attempt] for attempt in attempts]:
            product.record(part)
        assert product.connection.execute(still, (user,)).fetchone() == (False,)
        moments += product.connection.execute(at, (user,)).fetchall()
    assert len(moments) == 2
    assert moments[0] == moments[1]


def weekly(threshold: int) -> tuple[AchievementRule, ...]:
    """The shipped rules with another threshold of `week-of-learning`."""
    (rule,) = (one for one in shipped_rules() if one.id == "week-of-learning")
    tiers = (msgspec.structs.replace(rule.tiers[0], gte=threshold),)
    mine = msgspec.structs.replace(rule, version=2 + threshold, tiers=tiers)
    return tuple(mine if one.id == rule.id else one for one in shipped_rules())


def test_a_rebuild_evaluates_past_weeks_anew_and_takes_none_away(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lowered threshold unlocks the weeks that had reached it; a raised one leaves what is unlocked."""
    user = next(USERS)
    days = ("05", "06", "07", "13", "14")  # three days of one week, two of the next
    product.record([event(user, occurredAt=f"2026-01-{day}T10:00:00Z") for day in days])
    weeks = "SELECT period FROM achievement_unlock JOIN learners USING (learner_key) " \
        "WHERE user_id = %s AND achievement_id = 'week-of-learning' ORDER BY 1"  # fmt: skip
    assert product.connection.execute(weeks, (user,)).fetchall() == [("2026-W02",)]
    assert rebuild(product.url, "achievements").differences == 0
    for threshold, expected in ((2, ["2026-W02", "2026-W03"]), (6, ["2026-W02", "2026-W03"])):
        monkeypatch.setattr(achievements, "rules", lambda threshold=threshold: weekly(threshold))
        rebuild(product.url, "achievements")
        assert [row[0] for row in product.connection.execute(weeks, (user,)).fetchall()] == expected
        assert rebuild(product.url, "achievements").differences == 0


def test_an_erased_learner_leaves_no_recognition(product: Product) -> None:
    """Kudos received and given, the page and mastered skills go with the learner."""
    user, peer = next(USERS), next(USERS)
    share(product, peer)
    share(product, user)
    product.command("AchievementsPageSet", user, active=True, displayName="Ada", pageToken="three")
    product.command("KudosGiven", user, giverId=peer, achievementId="finisher")
    product.command("KudosGiven", peer, giverId=user, achievementId="finisher")
    key = "SELECT learner_key FROM learners WHERE user_id = %s"
    (learner,) = product.connection.execute(key, (user,)).fetchone()
    product.command("EraseRequested", user)
    for table in (
        "achievement_kudos",
        "learner_private_page",
        "skill_mastered",
        "achievement_unlock",
        "achievement_period",
    ):
        left = f"SELECT count(*) FROM {table} WHERE learner_key = %s"
        assert product.connection.execute(left, (learner,)).fetchone() == (0,), table
    given = product.connection.execute("SELECT count(*) FROM achievement_kudos WHERE giver_key = %s", (learner,))
    assert given.fetchone() == (0,)


def changed(thresholds: list[int]) -> tuple[AchievementRule, ...]:
    """The shipped rules with other thresholds of `finisher`."""
    version = 2 + thresholds[0]
    rule = {
        "id": "finisher", "version": version, "title": "F", "description": "F", "category": "COMPLETION",
        "when": {"types": ["COMPLETE"]}, "agg": "distinct", "of": "item", "tiers": [{"gte": n} for n in thresholds],
    }  # fmt: skip
    (read,) = read_rules([("test.json", json.dumps([rule]).encode())])
    return tuple(read if one.id == "finisher" else one for one in shipped_rules())


def test_changed_rules_take_effect_by_a_rebuild_and_take_nothing_back(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lowered threshold unlocks what was earned, once; a raised one leaves what is unlocked, and its dependants."""
    user, other = next(USERS), next(USERS)
    done = [event(user, interactionType="COMPLETE", contentId=f"x-{n}") for n in range(4)]
    product.record([*done, event(other, interactionType="COMPLETE", contentId="x-0")])
    assert ("finisher", 1) in product.unlocked(user)
    assert ("finisher", 2) not in product.unlocked(user)

    monkeypatch.setattr(achievements, "rules", lambda: changed([1, 3]))
    rebuild(product.url, "achievements")
    assert ("finisher", 2) in product.unlocked(user)
    assert ("finisher", 2) not in product.unlocked(other)

    monkeypatch.setattr(achievements, "rules", lambda: changed([4, 9]))
    rebuild(product.url, "achievements")
    assert {("finisher", 1), ("finisher", 2)} <= product.unlocked(user)
    assert ("finisher", 1) in product.unlocked(other)
    assert rebuild(product.url, "achievements").differences == 0

    # What was unlocked under the old rule is announced no second time, and still opens what requires it.
    product.record([event(other, interactionType="COMPLETE", contentId=f"y-{n}") for n in range(12)])
    assert product.announced(other).count(("finisher", 1)) == 1
    assert ("all-kinds-finished", 1) not in product.unlocked(other)
    kinds = [event(other, interactionType="COMPLETE", contentType=f"kind-{n}", contentId=f"z-{n}") for n in range(3)]
    product.record(kinds)
    assert ("all-kinds-finished", 1) in product.unlocked(other)
    tiers = "SELECT count(*), count(DISTINCT (achievement_id, tier)) FROM achievement_unlock JOIN learners " \
        "USING (learner_key) WHERE user_id = %s"  # fmt: skip
    total, distinct = product.connection.execute(tiers, (other,)).fetchone()
    assert total == distinct
