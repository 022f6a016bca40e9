"""What was served to whom, and what came of it?  Rows of `impression`, summed into `recommendation_outcome`.

Servings come from the topic `impressions`; outcomes from interactions and feedback that carry a `recommendationId`.
Both may come in any order (`models.recommendation.outcomes`).  Lists of learners who do not agree to analytics, and
of users whom no event has made known, are not kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from typing import Any, LiteralString, NamedTuple

import numpy as np

from models.columns import CONSENT_ANALYTICS, Int64, Interactions
from models.recommendation import outcomes
from models.recommendation.outcomes import CLICKED, COMPLETED, DISLIKED, EMPTY, LIKED, Place, ServedList
from projections import deduplication, experiments
from projections.deduplication import dedupe_keys
from projections.identities import Learner
from projections.poll import Slice
from projections.stores.postgres import Connection, flatten
from schemas.commands import Command, FeedbackAction, FeedbackGiven
from schemas.event_time import epoch_ms
from schemas.impressions import ImpressionServed
from schemas.interactions import Interaction, InteractionType
from schemas.topics import IMPRESSIONS

DAY_MS = 86_400_000
MOST_PLACES = 1_000

SELECT_LEARNERS: LiteralString = """
SELECT user_id, learner_key, consent FROM learners WHERE user_id = ANY (%(ids)s::text[])
"""
SELECT_CONTENT: LiteralString = """
SELECT content_id, item_key FROM content WHERE content_id = ANY (%(ids)s::text[])
"""
SELECT_LISTS: LiteralString = """
SELECT learner_key, list_key, list_type, coalesce(first_day, -1), places, ranks, item_keys, arms, propensities,
       servings, outcomes
FROM impression JOIN unnest(%(learners)s::bigint[], %(lists)s::bigint[]) AS wanted (learner_key, list_key)
     USING (learner_key, list_key)
"""
PUT_LISTS: LiteralString = """
INSERT INTO impression (learner_key, list_key, list_type, first_day, places, ranks, item_keys, arms, propensities,
                        servings, outcomes, applied_seq)
SELECT learner_key, list_key, list_type, nullif(first_day, -1), (%(places)s::smallint[])[first : last],
       (%(ranks)s::smallint[])[first : last], (%(items)s::bigint[])[first : last], (%(arms)s::text[])[first : last],
       (%(propensities)s::float8[])[first : last], (%(servings)s::int[])[first : last],
       (%(outcomes)s::smallint[])[first : last], %(applied_seq)s
FROM unnest(%(learners)s::bigint[], %(lists)s::bigint[], %(types)s::text[], %(days)s::int[], %(firsts)s::int[],
            %(lasts)s::int[]) AS new (learner_key, list_key, list_type, first_day, first, last)
ORDER BY learner_key, list_key
ON CONFLICT (learner_key, list_key) DO UPDATE SET
    list_type = excluded.list_type, first_day = excluded.first_day, places = excluded.places, ranks = excluded.ranks,
    item_keys = excluded.item_keys, arms = excluded.arms, propensities = excluded.propensities,
    servings = excluded.servings, outcomes = excluded.outcomes, applied_seq = excluded.applied_seq, updated_at = now()
"""
ADD_OUTCOMES: LiteralString = """
INSERT INTO recommendation_outcome AS old (day, list_type, arm, rank, servings, impressions, clicks, conversions, likes,
                                           dislikes, weight, click_weight)
SELECT '1970-01-01'::date + day, list_type, arm, rank, servings, impressions, clicks, conversions, likes, dislikes,
       weight, click_weight
FROM unnest(%(days)s::int[], %(types)s::text[], %(arms)s::text[], %(ranks)s::smallint[], %(servings)s::bigint[],
            %(impressions)s::bigint[], %(clicks)s::bigint[], %(conversions)s::bigint[], %(likes)s::bigint[],
            %(dislikes)s::bigint[], %(weight)s::float8[], %(click_weight)s::float8[])
    AS new (day, list_type, arm, rank, servings, impressions, clicks, conversions, likes, dislikes, weight,
            click_weight)
ORDER BY 1, 2, 3, 4
ON CONFLICT (day, list_type, arm, rank) DO UPDATE SET
    servings = old.servings + excluded.servings, impressions = old.impressions + excluded.impressions,
    clicks = old.clicks + excluded.clicks, conversions = old.conversions + excluded.conversions,
    likes = old.likes + excluded.likes, dislikes = old.dislikes + excluded.dislikes,
    weight = old.weight + excluded.weight, click_weight = old.click_weight + excluded.click_weight
"""
ADD_EXPOSURES: LiteralString = """
INSERT INTO item_exposure AS old (item_key, impressions, clicks)
SELECT * FROM unnest(%(items)s::bigint[], %(impressions)s::bigint[], %(clicks)s::bigint[]) ORDER BY 1
ON CONFLICT (item_key) DO UPDATE SET
    impressions = old.impressions + excluded.impressions, clicks = old.clicks + excluded.clicks
"""
FORGET: tuple[LiteralString, ...] = ("DELETE FROM impression WHERE learner_key = %(learner_key)s",)
EXPOSURES: LiteralString = "SELECT item_key, impressions, clicks FROM item_exposure"

_OUTCOME_OF_TYPE = {
    InteractionType.VIEW: CLICKED,
    InteractionType.START: CLICKED,
    InteractionType.CLICK: CLICKED,
    InteractionType.ATTEMPT: CLICKED,
    InteractionType.PROGRESS: CLICKED,
    InteractionType.COMPLETE: CLICKED | COMPLETED,
    InteractionType.LIKE: LIKED,
    InteractionType.BOOKMARK: LIKED,
    InteractionType.SHARE: LIKED,
    InteractionType.DISLIKE: DISLIKED,
    InteractionType.SKIP: DISLIKED,
}
_OUTCOME_OF_FEEDBACK = {
    FeedbackAction.CLICKED: CLICKED,
    FeedbackAction.COMPLETED: CLICKED | COMPLETED,
    FeedbackAction.LIKED: LIKED,
    FeedbackAction.DISLIKED: DISLIKED,
    FeedbackAction.DISMISSED: DISLIKED,
    FeedbackAction.HIDDEN: DISLIKED,
}
LIKED_FROM, DISLIKED_UPTO = 4.0, 2.0
"""Ratings."""
_ID = re.compile(r"^(.+)-(\d{1,4})$", re.DOTALL)


class Serving(NamedTuple):
    """One record of the topic `impressions`."""

    message: ImpressionServed
    record_ms: int


class Reaction(NamedTuple):
    """What a learner did with one recommendation."""

    learner_key: int
    recommendation_id: str
    outcome: int


class Key(NamedTuple):
    """Of a row."""

    learner_key: int
    list_key: int


_Shown = tuple[Key, str, int, list[tuple[int, Place]]]
"""(list, its type, day, its items by place)"""


class Shown(NamedTuple):
    """Servings that are new, and what they showed of which list to learners who are known and agree."""

    messages: list[ImpressionServed]
    lists: list[_Shown]


class Folded(NamedTuple):
    """What the servings and outcomes of one transaction moved, for metrics."""

    sums: Mapping[outcomes.Cell, outcomes.Sums] = {}


def parsed(recommendation_id: str) -> tuple[str, int] | None:
    """(the list's id, place from 1) in a `recommendationId`; None for another's.

    >>> parsed("3f2a-7"), parsed("elsewhere")
    (('3f2a', 7), None)
    """
    found = _ID.match(recommendation_id)
    if found is None or not 1 <= int(found[2]) <= MOST_PLACES:
        return None
    return found[1], int(found[2])


def list_key(list_id: str) -> int:
    """First 64 bits of SHA-256 of a list's id, as a signed integer."""
    return int.from_bytes(hashlib.sha256(list_id.encode()).digest()[:8], "big", signed=True)


def servings_of(slices: Sequence[Slice]) -> list[Serving]:
    """What a poll says about served lists, in its order."""
    return [
        Serving(message, record_ms)
        for piece in slices
        if piece.partition.topic == IMPRESSIONS.name
        for message, record_ms in zip(piece.messages, piece.record_ms, strict=True)
    ]


def times(servings: Sequence[Serving]) -> Int64:
    """(n,) record times [ms]."""
    return np.array([one.record_ms for one in servings], np.int64)


def ask(connection: Connection, servings: Sequence[Serving], weeks_back: int) -> Callable[[], Shown]:
    """Asks which servings are new, and whom and what they name; call it for the answer.

    That call waits where this is within a burst, and notes the new ones as seen, inside the caller's transaction.
    """
    if not servings:
        return lambda: Shown([], [])
    names = [f"impression/{one.message.list_id}" for one in servings]
    keys = dedupe_keys([one.message.user_id for one in servings], names)
    unseen = deduplication.Question(connection, keys, times(servings), weeks_back)
    users = sorted({one.message.user_id for one in servings})
    contents = sorted({item.content_id for one in servings for item in one.message.items})
    learners = connection.execute(SELECT_LEARNERS, {"ids": users})
    items = connection.execute(SELECT_CONTENT, {"ids": contents})

    def found() -> Shown:
        fresh = unseen.fresh()
        unseen.note(fresh)
        new = list(compress(servings, fresh))
        willing = {user: key for user, key, consent in learners.fetchall() if consent & CONSENT_ANALYTICS}
        return Shown([one.message for one in new], _lists(new, willing, dict(items.fetchall())))

    return found


def reactions(
    messages: Sequence[Interaction], batch: Interactions, carried_out: Sequence[tuple[Command, Learner]]
) -> list[Reaction]:
    """What interactions and commands say about recommendations.

    Args:
        messages: n interactions.
        batch: the same n, as columns.
        carried_out: commands with their learners.
    """
    found = []
    for row, message in enumerate(messages):
        if message.recommendation_id is None or not batch.consent[row] & CONSENT_ANALYTICS:
            continue
        outcome = _OUTCOME_OF_TYPE.get(message.interaction_type, 0)
        if message.rating is not None:
            outcome |= LIKED * (message.rating >= LIKED_FROM) | DISLIKED * (message.rating <= DISLIKED_UPTO)
        if outcome:
            found.append(Reaction(int(batch.learner[row]), message.recommendation_id, outcome))
    for command, learner in carried_out:
        if isinstance(command, FeedbackGiven) and command.recommendation_id and learner.consent & CONSENT_ANALYTICS:
            found.append(Reaction(learner.key, command.recommendation_id, _OUTCOME_OF_FEEDBACK[command.action]))
    return found


def record(
    connection: Connection, shown: Shown, reactions: Sequence[Reaction], applied_seq: int
) -> Callable[[], Folded]:
    """Moves the rows and sums, inside the caller's transaction; the call of what is returned does the second half.

    It needs the lists as they are, so what is written between the two is not waited for.
    """
    experiments.expose(connection, shown.messages, applied_seq)
    answered = [(reaction, parsed(reaction.recommendation_id)) for reaction in reactions]
    known = [(Key(one.learner_key, list_key(place[0])), place[1], one.outcome) for one, place in answered if place]
    keys = sorted({key for key, *_ in shown.lists} | {key for key, *_ in known})
    if not keys:
        return Folded
    which = {"learners": [key.learner_key for key in keys], "lists": [key.list_key for key in keys]}
    stored = connection.execute(SELECT_LISTS, which)

    def moved() -> Folded:
        before = of_rows(stored.fetchall())
        after = dict(before)
        for key, list_type, day, places in shown.lists:
            after[key] = outcomes.served(after.get(key, EMPTY), list_type, day, places)
        for key, place, outcome in known:
            after[key] = outcomes.followed(after.get(key, EMPTY), place, outcome)
        changed = [key for key in keys if after[key] != before.get(key)]
        _put(connection, [(key, after[key]) for key in changed], applied_seq)
        changes = [(before.get(key, EMPTY), after[key]) for key in changed]
        sums = outcomes.moved(changes)
        add(connection, sums, outcomes.exposures(changes))
        return Folded(sums)

    return moved


def _lists(servings: Sequence[Serving], learners: Mapping[str, int], items: Mapping[str, int]) -> list[_Shown]:
    """What was shown of which list, to the learners that are known here; ``items`` are keys by content id."""
    found: list[_Shown] = []
    for message, record_ms in servings:
        learner = learners.get(message.user_id)
        if learner is None:
            continue
        day = min(epoch_ms(message.served_at), record_ms + DAY_MS) // DAY_MS
        lists: dict[str, list[tuple[int, Place]]] = {}
        for item in message.items:
            own = parsed(item.recommendation_id or "") or (message.list_id, item.rank)
            shown = Place(item.rank, items.get(item.content_id, 0), item.arm, item.propensity, 1)
            lists.setdefault(own[0], []).append((own[1], shown))
        found += [(Key(learner, list_key(name)), message.list_type, day, places) for name, places in lists.items()]
    return found


def of_rows(rows: Sequence[Sequence[Any]]) -> dict[Key, ServedList]:
    """The lists in rows of `SELECT_LISTS`."""
    found = {}
    for learner, name, list_type, first_day, places, *columns in rows:
        held = [Place(*values) for values in zip(*columns, strict=True)]
        found[Key(learner, name)] = ServedList(list_type, first_day, dict(zip(places, held, strict=True)))
    return found


def _put(connection: Connection, lists: Sequence[tuple[Key, ServedList]], applied_seq: int) -> None:
    if not lists:
        return
    ordered = [sorted(one.places.items()) for _, one in lists]
    places, firsts, lasts = flatten([np.array([place for place, _ in rows]) for rows in ordered], np.int16)
    rows = [row for held in ordered for _, row in held]
    connection.execute(
        PUT_LISTS,
        {
            "learners": [key.learner_key for key, _ in lists],
            "lists": [key.list_key for key, _ in lists],
            "types": [one.list_type for _, one in lists],
            "days": [one.first_day for _, one in lists],
            "firsts": firsts,
            "lasts": lasts,
            "places": places,
            "ranks": np.array([row.rank for row in rows], np.int16),
            "items": np.array([row.item for row in rows], np.int64),
            "arms": [row.arm for row in rows],
            "propensities": np.array([row.propensity for row in rows], np.float64),
            "servings": np.array([row.servings for row in rows], np.int32),
            "outcomes": np.array([row.outcome for row in rows], np.int16),
            "applied_seq": applied_seq,
        },
    )


def add(
    connection: Connection,
    sums: Mapping[outcomes.Cell, outcomes.Sums],
    exposures: Mapping[int, tuple[int, int]],
) -> None:
    """Adds to the sums and to the exposures of items."""
    if sums:
        cells = list(sums)
        moves = {name: [getattr(one, name) for one in sums.values()] for name in outcomes.Sums._fields}
        own = {
            "days": [cell.day for cell in cells],
            "types": [cell.list_type for cell in cells],
            "arms": [cell.arm for cell in cells],
            "ranks": [cell.rank for cell in cells],
        }
        connection.execute(ADD_OUTCOMES, {**own, **moves})
    if exposures:
        connection.execute(
            ADD_EXPOSURES,
            {
                "items": list(exposures),
                "impressions": [shown for shown, _ in exposures.values()],
                "clicks": [clicked for _, clicked in exposures.values()],
            },
        )
