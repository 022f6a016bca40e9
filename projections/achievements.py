"""Which achievements has each learner unlocked and claimed, and how far is he to the next?

Learner-owned rows, written absolutely and only when they changed: progress stops at a rule's highest tier, so that
the rows of experienced learners are read but rarely written.  An unlock is inserted at most once, and only the insert
that took place is announced (`projections.achievement_unlocks`).  The fold is `models.achievements`, the rules are
`schemas/achievements/`; what rules that repeat remember is in `projections.achievement_periods`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from models.achievement_evidence import Evidence, no_evidence
from models.achievement_rules import CompiledRule, compile_rules
from models.achievements import Achievements, Unlocks, Update, empty, update
from models.columns import Int64, Interactions
from models.grouping import Groups, group, positions
from projections import achievement_facts, achievement_periods, achievement_unlocks
from projections.projection import Effects, Projection
from projections.stores import packed
from projections.stores.packed import Answer, decode_array
from projections.stores.postgres import Connection
from schemas.achievement_rules import AchievementRule, Repeat, shipped_rules

SELECT_RULES = "SELECT achievement_id, slot, version FROM achievement_rule"
ADD_RULES = """
INSERT INTO achievement_rule (slot, achievement_id, version, definition)
SELECT (SELECT coalesce(max(slot), 0) FROM achievement_rule) + row_number() OVER (), id, version, definition::jsonb
FROM unnest(%(ids)s::text[], %(versions)s::int[], %(definitions)s::text[]) AS new (id, version, definition)
ON CONFLICT DO NOTHING
"""
RENEW_RULES = """
UPDATE achievement_rule SET version = new.version, definition = new.definition::jsonb
FROM unnest(%(ids)s::text[], %(versions)s::int[], %(definitions)s::text[]) AS new (id, version, definition)
WHERE achievement_id = new.id AND achievement_rule.version < new.version
"""
LOAD = """
SELECT array_send(array_agg(learner_key)),
       array_send(array_agg(progress || array_fill(0, ARRAY[slots - cardinality(progress)]))),
       array_send(array_agg(tiers || array_fill(0::smallint, ARRAY[slots - cardinality(tiers)]))),
       array_send(array_agg(evidence || array_fill(0::smallint, ARRAY[slots - cardinality(evidence)]))),
       string_agg(substr(array_send(members), 21), ''), string_agg(substr(array_send(weights), 21), '')
FROM achievement_progress, (SELECT max(slot)::int AS slots FROM achievement_rule) AS known
WHERE learner_key = ANY (%(learners)s::bigint[])
"""
"""Rows written before the newest rules are filled up with zeros; an array's elements follow 20 bytes of header."""
WRITE = """
INSERT INTO achievement_progress (learner_key, progress, tiers, evidence, members, weights, applied_seq)
SELECT learner_key, (%(progress)s::int[])[first_slot : last_slot], (%(tiers)s::smallint[])[first_slot : last_slot],
       (%(evidence)s::smallint[])[first_slot : last_slot], (%(members)s::bigint[])[first : last],
       (%(weights)s::int[])[first : last], %(applied_seq)s::bigint
FROM unnest(%(learners)s::bigint[], %(first_slots)s::int[], %(last_slots)s::int[], %(firsts)s::int[], %(lasts)s::int[])
    AS changed (learner_key, first_slot, last_slot, first, last)
ON CONFLICT (learner_key) DO UPDATE SET
    progress = excluded.progress, tiers = excluded.tiers, evidence = excluded.evidence, members = excluded.members,
    weights = excluded.weights, applied_seq = excluded.applied_seq
"""
CLAIM = """
INSERT INTO achievement_claim (learner_key, achievement_id, tier, period, claimed_at)
SELECT learner_key, achievement_id, tier, period, now() FROM achievement_unlock
WHERE learner_key = %(learner_key)s AND achievement_id = %(achievement_id)s
ON CONFLICT DO NOTHING
RETURNING tier
"""
EXPLAIN_REFUSAL = """
SELECT EXISTS (SELECT FROM achievement_unlock
               WHERE learner_key = %(learner_key)s AND achievement_id = %(achievement_id)s),
       EXISTS (SELECT FROM achievement_rule WHERE achievement_id = %(achievement_id)s)
"""

KEEP = """
INSERT INTO achievement_unlock SELECT * FROM public.achievement_unlock ON CONFLICT DO NOTHING
"""
KEEP_TIERS = """
UPDATE achievement_progress AS row SET tiers = (
    SELECT array_agg(greatest(counted.tier, held.tier) ORDER BY counted.slot)
    FROM unnest(row.tiers) WITH ORDINALITY AS counted (tier, slot)
    JOIN achievement_rule AS rule USING (slot)
    LEFT JOIN (
        SELECT achievement_id, max(tier) AS tier FROM achievement_unlock AS own
        WHERE own.learner_key = row.learner_key AND period = '' GROUP BY achievement_id
    ) AS held USING (achievement_id)
)
WHERE EXISTS (
    SELECT FROM achievement_unlock AS held JOIN achievement_rule AS rule USING (achievement_id)
    WHERE held.learner_key = row.learner_key AND held.period = '' AND held.tier > row.tiers[rule.slot]
)
"""
"""Together: what was ever unlocked stays so, whatever the rules say now."""

Claim = Literal["claimed", "already", "not-unlocked", "unknown"]


@cache
def rules() -> tuple[AchievementRule, ...]:
    """The rules that this version of the program ships."""
    return shipped_rules()


@lru_cache(maxsize=8)
def _compiled(shipped: tuple[AchievementRule, ...], placed: tuple[tuple[str, int], ...]) -> tuple[CompiledRule, ...]:
    """The rules in these slots, by rule id: hundreds of small objects that are the same in every transaction."""
    return compile_rules(shipped, dict(placed))


def _unplaced_rules() -> tuple[CompiledRule, ...]:
    """The rules before the database says in which slots they are."""
    return _compiled(rules(), tuple((rule.id, place) for place, rule in enumerate(rules())))


def apply(connection: Connection, batch: Interactions, effects: Effects) -> None:
    """Folds a batch into the tables, inside the caller's transaction."""
    asked: Asked | None = effects.asked.pop("achievements", None)
    more = achievement_facts.facts(connection, effects)
    if len(more):
        batch = achievement_facts.among(batch, more)
        if asked is not None:
            asked.close()
            asked = None
    asked = asked or ask(connection, batch)
    groups, known, stored, cells = asked
    registered = _registered(known)
    slots = {rule_id: slot for rule_id, (slot, _) in registered.items()}
    if any(rule.id not in registered or registered[rule.id][1] < rule.version for rule in rules()):
        asked.close()
        slots = register(connection, rules())
        groups, known, stored, cells = ask(connection, batch)
        known.close()
    compiled = _compiled(rules(), tuple(slots.items()))
    before = state_of(groups.keys, stored, max(slots.values()) + 1)
    once = [rule for rule in compiled if rule.rule.repeat is Repeat.NEVER]
    after = update(before, groups, batch, once)
    if groups.size:
        _write(connection, groups.keys, before, after, effects)
    again = achievement_periods.apply(connection, batch, groups, compiled, after, cells, effects)
    achievement_unlocks.put(connection, Unlocks.joined([after.unlocks, *again]), compiled, effects)


class Asked(NamedTuple):
    """A batch by learner, and what was asked about it."""

    groups: Groups
    rules: Answer
    stored: Answer
    """The state of the groups' learners under the rules that do not repeat."""
    again: achievement_periods.Asked
    """The same under those that do."""

    def close(self) -> None:
        """Gives up the answers that were not read."""
        for answer in (self.rules, self.stored, self.again.cells):
            answer.close()


def ask(connection: Connection, batch: Interactions) -> Asked:
    """The batch by learner, and the questions for the rules and for what is stored of those learners."""
    groups = group(batch.learner)
    known = connection.execute(SELECT_RULES)
    stored = packed.ask(connection, LOAD, {"learners": groups.keys})
    return Asked(groups, known, stored, achievement_periods.ask(connection, batch, _unplaced_rules()))


def _registered(known: Answer) -> dict[str, tuple[int, int]]:
    """(slot from 0, version) of every rule that the database knows."""
    return {rule_id: (slot - 1, version) for rule_id, slot, version in known.fetchall()}


def register(connection: Connection, wanted: Sequence[AchievementRule]) -> dict[str, int]:
    """The slot (from 0) of every rule that the database knows, after it has been told of these."""
    known = _registered(connection.execute(SELECT_RULES))
    while missing := [rule for rule in wanted if rule.id not in known]:
        # Of two workers that add rules at once, the second waits here and then finds those of the first.
        connection.execute(ADD_RULES, _rule_columns(missing))
        known = _registered(connection.execute(SELECT_RULES))
    renewed = [rule for rule in wanted if rule.version > known[rule.id][1]]
    if renewed:
        connection.execute(RENEW_RULES, _rule_columns(renewed))
    return {rule_id: slot for rule_id, (slot, _) in known.items()}


def finish(connection: Connection, effects: Effects) -> None:
    """Ends a rebuild: counts the facts behind the last interaction, and keeps what was unlocked under older rules."""
    apply(connection, Interactions.empty(), effects)
    connection.execute(KEEP)
    connection.execute(KEEP_TIERS)
    connection.execute(achievement_periods.KEEP_TIERS)


def load(connection: Connection, learners: Int64, slots: int) -> Achievements:
    """The stored state of the learners (g,), ascending; empty for those without a row."""
    return state_of(learners, packed.ask(connection, LOAD, {"learners": learners}), slots)


def state_of(learners: Int64, answer: Answer, slots: int) -> Achievements:
    """The state in the answer to `LOAD` for these learners, when the database knows so many rules."""
    state = empty(len(learners), slots)
    row = answer.fetchone()
    answer.close()
    assert row is not None
    if row[0] is None:
        return state
    rows = positions(learners, decode_array(row[0], np.dtype(np.int64)))
    state.progress[rows] = decode_array(row[1], np.dtype(np.int32))
    state.tiers[rows] = decode_array(row[2], np.dtype(np.int16))
    entries = decode_array(row[3], np.dtype(np.int16)).astype(np.int64)
    state.evidence.update(_evidence(rows, entries, _elements(row[4], ">i8"), _elements(row[5], ">i4")))
    return state


def claim(connection: Connection, learner_key: int, achievement_id: str) -> Claim:
    """Claims every unlocked and unclaimed tier of an achievement; of two claims at once one is ``already``."""
    parameters = {"learner_key": learner_key, "achievement_id": achievement_id}
    if connection.execute(CLAIM, parameters).fetchall():
        return "claimed"
    answer = connection.execute(EXPLAIN_REFUSAL, parameters).fetchone()
    assert answer is not None
    unlocked, known = answer
    return "already" if unlocked else "not-unlocked" if known else "unknown"


def _rule_columns(some: Sequence[AchievementRule]) -> Mapping[str, list[Any]]:
    return {
        "ids": [rule.id for rule in some],
        "versions": [rule.version for rule in some],
        "definitions": [msgspec.json.encode(rule).decode() for rule in some],
    }


def _elements(array: bytes, wire: str) -> Int64:
    """The elements of Postgres arrays end to end, each behind its four bytes of size."""
    return np.frombuffer(array, np.dtype([("size", ">i4"), ("value", wire)]))["value"].astype(np.int64)


def _evidence(rows: Int64, entries: Int64, member: Int64, weight: Int64) -> dict[int, Evidence]:
    """By slot, ascending by owner; ``entries`` (r, slots) says how many each of the rows (r,) has of each slot."""
    slots = entries.shape[1]
    owner = np.repeat(rows, entries.sum(axis=1))
    slot = np.repeat(np.tile(np.arange(slots), len(rows)), entries.ravel())
    order = np.lexsort((owner, slot))
    bounds = np.searchsorted(slot[order], np.arange(slots + 1))
    parts = {k: order[bounds[k] : bounds[k + 1]] for k in range(slots) if bounds[k] < bounds[k + 1]}
    return {k: Evidence(owner[part], member[part], weight[part]) for k, part in parts.items()}


def _write(connection: Connection, learners: Int64, before: Achievements, after: Update, effects: Effects) -> None:
    """Writes the rows of the learners of whom anything changed."""
    differs = (before.progress != after.state.progress).any(axis=1) | (before.tiers != after.state.tiers).any(axis=1)
    for owners in after.changed.values():
        differs |= owners
    changed = np.flatnonzero(differs)
    if not len(changed):
        return
    slots = after.state.progress.shape[1]
    entries = np.zeros((len(learners), slots), np.int64)
    for slot, evidence in after.state.evidence.items():
        entries[:, slot] = np.bincount(evidence.owner, minlength=len(learners))
    held = [no_evidence(), *(one for _, one in sorted(after.state.evidence.items()))]
    owner, member, weight = (np.concatenate(columns) for columns in zip(*held, strict=True))
    order = np.argsort(owner, kind="stable")  # slots stay in order within an owner
    order = order[differs[owner[order]]]
    ends = np.cumsum(entries[changed].sum(axis=1))
    last_slots = (np.arange(len(changed)) + 1) * slots
    connection.execute(
        WRITE,
        {
            "learners": learners[changed],
            "progress": after.state.progress[changed].astype(np.int32).ravel(),
            "tiers": after.state.tiers[changed].astype(np.int16).ravel(),
            "evidence": entries[changed].astype(np.int16).ravel(),
            "first_slots": (last_slots - slots + 1).astype(np.int32),
            "last_slots": last_slots.astype(np.int32),
            "members": member[order],
            "weights": weight[order].astype(np.int32),
            "firsts": (ends - entries[changed].sum(axis=1) + 1).astype(np.int32),
            "lasts": ends.astype(np.int32),
            "applied_seq": effects.applied_seq,
        },
    )


PROJECTION = Projection(
    name="achievements",
    question="Which achievements has each learner unlocked, and how far is he to the next?",
    tables=("achievement_progress", "achievement_period", "achievement_unlock"),
    ask=ask,
    apply=apply,
    forget=(
        "DELETE FROM achievement_progress WHERE learner_key = %(learner_key)s",
        achievement_periods.FORGET,
        "DELETE FROM achievement_claim WHERE learner_key = %(learner_key)s",
        "DELETE FROM achievement_unlock WHERE learner_key = %(learner_key)s",
    ),
    finish=finish,
    compare="SELECT learner_key, achievement_id, tier, period, unlock_id, unlocked_at FROM achievement_unlock",
)
