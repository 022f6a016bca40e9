"""Are streaks, unlocks and milestones the same, whatever happens to a learner's events on their way to the recorder?

One learner's events come once, in order and together; another's are the same events shuffled, some of them delivered
again, in several polls.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder_kit import OnePartition, event, users_of

from projections.reads import streaks as reads

PART = 6
USERS = iter(users_of(PART, 1_400))
NOW = "2026-03-20T12:00:00Z"
NOW_MS = 1_774_008_000_000
TIERS = """
SELECT achievement_id, tier, period FROM achievement_unlock JOIN learners USING (learner_key) WHERE user_id = %s
ORDER BY 1, 2, 3
"""
MILESTONES = """
SELECT percent, module_id FROM path_milestone JOIN learners USING (learner_key) WHERE user_id = %s ORDER BY 1, 2
"""
ANNOUNCED = """
SELECT count(*), count(DISTINCT convert_from(record_value, 'UTF8')::jsonb ->> 'id') FROM outbox
JOIN learners USING (learner_key) WHERE user_id = %s
"""

# (day of March, kind, which of five modules, how far, hour)
_fact = st.tuples(
    st.one_of(st.integers(1, 12), st.integers(25, 31)),
    st.sampled_from(["VIEW", "COMPLETE", "PROGRESS", "SHARE", "reported"]),
    st.integers(0, 4),
    st.sampled_from([0.4, 1.0]),
    st.sampled_from([0, 6, 23]),
)


class Product(OnePartition):
    """A recorder of one partition, asked what a learner has reached."""

    def known_of(self, user: str) -> dict[str, Any]:
        """What the learner has reached, and whether each was announced once."""
        queries = [(query, parameters) for query, parameters in reads.queries(user)]
        answers = [self.connection.execute(query, parameters).fetchall() for query, parameters in queries]
        total, distinct = self.connection.execute(ANNOUNCED, (user,)).fetchone() or (0, 0)
        assert total == distinct
        return {
            "unlocks": self.connection.execute(TIERS, (user,)).fetchall(),
            "milestones": self.connection.execute(MILESTONES, (user,)).fetchall(),
            "streak": reads.streak_of(answers, NOW_MS),
            "announced": total,
        }


@pytest.fixture(scope="module")
def product(module_database_url: str) -> Iterator[Product]:
    """One for the module; every example has learners of its own."""
    made = Product(module_database_url, PART)
    yield made
    made.close()


def told(user: str, facts: list[tuple[int, str, int, float, int]]) -> list[dict[str, Any]]:
    """The facts as records, each with an id of its own."""
    made = []
    for place, (day, kind, module, rate, hour) in enumerate(facts):
        at = f"2026-03-{day:02}T{hour:02}:30:00Z"
        name = f"module-{module}"
        if kind == "reported":
            said = {"pathId": f"path-{user}", "moduleId": name, "completionRate": rate}
            made.append(
                {"command": "PathProgressed", "userId": user, "commandId": f"{user}-{place}", "issuedAt": at, **said}
            )
        else:
            rates = {"completionRate": rate} if kind == "PROGRESS" else {}
            made.append(event(user, f"e{place}", interactionType=kind, contentId=name, occurredAt=at, **rates))
    return made


def path_of(user: str) -> dict[str, Any]:
    """The creation of a path of five modules."""
    modules = [
        {"id": f"module-{n}", "title": f"M{n}", "type": "video", "duration": 600, "prerequisites": []} for n in range(5)
    ]
    said = {"pathId": f"path-{user}", "title": "P", "topic": "algebra", "level": "BEGINNER", "modules": modules}
    return {"command": "PathCreated", "userId": user, "commandId": f"{user}-path", "issuedAt": NOW, **said}


@settings(max_examples=300, deadline=None)
@given(facts=st.lists(_fact, min_size=1, max_size=24), data=st.data())
def test_any_permutation_duplication_and_split_gives_the_same(product: Product, facts: list[Any], data: Any) -> None:
    """The same tiers in the same periods, the same milestones, the same streak; and each is announced once."""
    one, other = next(USERS), next(USERS)
    again = data.draw(st.lists(st.integers(0, len(facts) - 1), max_size=4))
    order = data.draw(st.permutations([*range(len(facts)), *again]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=2)))
    theirs = told(other, facts)
    pieces = [[theirs[place] for place in order[a:b]] for a, b in itertools.pairwise([0, *cuts, len(order)])]

    product.record([path_of(one), *told(one, facts), path_of(other), *pieces[0]])
    for piece in pieces[1:]:
        product.record(piece)
    assert product.known_of(one) == product.known_of(other)
