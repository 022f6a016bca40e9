"""How far is each learner in this day, week or month, under the rules that repeat?

A row a learner, rule and period, written absolutely when it changed and never forgotten: an event that comes late finds
the period that it belongs to.  The fold is `models.achievement_periods`; `projections.achievements` writes the unlocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString, NamedTuple

import numpy as np

from models import achievement_periods
from models.achievement_evidence import NEVER
from models.achievement_periods import Cells, Touched
from models.achievement_rules import CompiledRule
from models.achievements import Unlocks, Update
from models.columns import Int64, Interactions, Mask
from models.grouping import Groups, group_pairs
from projections.projection import Effects
from projections.stores import packed
from projections.stores.packed import Answer, EndToEnd
from projections.stores.postgres import Connection
from schemas.achievement_rules import Repeat

_CELL: LiteralString = """
SELECT learner_key, period, progress, tiers, members, weights FROM achievement_period AS cell
"""
_PACKED: LiteralString = """
SELECT array_send(array_agg(place)), array_send(array_agg(learner_key)), array_send(array_agg(period)),
       array_send(array_agg(progress)), array_send(array_agg(tiers)), array_send(array_agg(cardinality(members))),
       string_agg(CASE WHEN members <> '{}' THEN substr(array_send(members), 21) END, ''),
       string_agg(CASE WHEN members <> '{}' THEN substr(array_send(weights), 21) END, '')
"""
LOAD: LiteralString = f"""
WITH placed AS MATERIALIZED (
    SELECT array_agg(slot ORDER BY place) AS slots
    FROM unnest(%(achievement_ids)s::text[]) WITH ORDINALITY AS asked (achievement_id, place)
    LEFT JOIN achievement_rule USING (achievement_id)
)
{_PACKED}
FROM placed,
     unnest(%(learners)s::bigint[], %(periods)s::int[], %(places)s::int[]) AS touched (learner, day, place),
     LATERAL ({_CELL} WHERE learner_key = learner AND slot = slots[place] AND period = day OFFSET 0) AS kept
"""  # noqa: S608 - of constants only
"""OFFSET keeps it a look-up by key for each cell; joined freely, the planner would rather read the whole index."""
LOAD_ALL: LiteralString = f"""{_PACKED}
FROM (SELECT 1 AS place, all_cells.* FROM ({_CELL}
      WHERE learner_key = ANY (%(learners)s::bigint[])
        AND slot = (SELECT slot FROM achievement_rule WHERE achievement_id = %(achievement_id)s)) AS all_cells) AS kept
"""  # noqa: S608 - of constants only
"""Every period of some learners."""
WRITE: LiteralString = """
INSERT INTO achievement_period (learner_key, slot, period, progress, tiers, members, weights, applied_seq)
SELECT learner_key, %(slot)s::smallint, period, progress, tiers, (%(members)s::bigint[])[first : last],
       (%(weights)s::int[])[first : last], %(applied_seq)s::bigint
FROM unnest(%(learners)s::bigint[], %(periods)s::int[], %(progress)s::int[], %(tiers)s::smallint[],
            %(firsts)s::int[], %(lasts)s::int[]) AS changed (learner_key, period, progress, tiers, first, last)
ON CONFLICT (learner_key, slot, period) DO UPDATE SET
    progress = excluded.progress, tiers = excluded.tiers, members = excluded.members, weights = excluded.weights,
    applied_seq = excluded.applied_seq
"""
NAME: LiteralString = """
to_char(date '1970-01-01' + row.period, CASE rule.definition ->> 'repeat'
        WHEN 'daily' THEN 'YYYY-MM-DD' WHEN 'weekly' THEN 'IYYY-"W"IW' WHEN 'monthly' THEN 'YYYY-MM' END)
"""
"""A period as `models.achievement_periods.period_name` writes it."""
KEEP_TIERS: LiteralString = f"""
UPDATE achievement_period AS row SET tiers = held.tier
FROM achievement_rule AS rule, (
    SELECT learner_key, achievement_id, period, max(tier) AS tier FROM achievement_unlock
    WHERE period <> '' GROUP BY learner_key, achievement_id, period
) AS held
WHERE rule.slot = row.slot AND held.learner_key = row.learner_key AND held.achievement_id = rule.achievement_id
  AND held.period = {NAME} AND held.tier > row.tiers
"""  # noqa: S608 - of constants only
FORGET: LiteralString = "DELETE FROM achievement_period WHERE learner_key = %(learner_key)s"
_DTYPES = (np.int32, np.int64, np.int32, np.int32, np.int16, np.int32, EndToEnd(np.int64), EndToEnd(np.int32))


class Asked(NamedTuple):
    """What the rules that repeat look at in a batch, and the stored cells under way."""

    seen: dict[str, Touched]
    """By rule id; the cells say by its place from 1 whose they are."""
    cells: Answer


def repeating(rules: Sequence[CompiledRule]) -> list[CompiledRule]:
    """Those that count anew in every period."""
    return [rule for rule in rules if rule.rule.repeat is not Repeat.NEVER]


def ask(connection: Connection, batch: Interactions, rules: Sequence[CompiledRule]) -> Asked:
    """The question for the cells that the rules that repeat will move; slots do not matter."""
    seen = {rule.rule.id: achievement_periods.touched(rule, batch) for rule in repeating(rules)}
    pairs = [group_pairs(one.learner, one.period) for one in seen.values()]
    none = np.empty(0, np.int64)
    parameters = {
        "learners": np.concatenate([none, *(one.first for one in pairs)]).astype(np.int64),
        "periods": np.concatenate([none, *(one.second for one in pairs)]).astype(np.int32),
        "places": np.repeat(np.arange(1, len(pairs) + 1), [len(one.first) for one in pairs]).astype(np.int32),
        "achievement_ids": list(seen),
    }
    return Asked(seen, packed.ask(connection, LOAD, parameters))


def apply(
    connection: Connection,
    batch: Interactions,
    groups: Groups,
    rules: Sequence[CompiledRule],
    once: Update,
    asked: Asked,
    effects: Effects,
) -> list[Unlocks]:
    """Folds a batch into the cells; what each rule that repeats unlocked.

    Args:
        connection: inside the caller's transaction.
        batch: the interactions.
        groups: the batch's learner column, grouped.
        rules: all, with the slots that the database knows.
        once: what the batch did under the rules that do not repeat.
        asked: what `ask` returned.
        effects: of this transaction.
    """
    found = []
    place, stored = _cells(asked.cells)
    place_of = {rule_id: n for n, rule_id in enumerate(asked.seen, start=1)}
    for rule in repeating(rules):
        seen = asked.seen[rule.rule.id]
        cells = _among(stored, place == place_of[rule.rule.id])
        newly = _newly_allowed(rule, once, groups)
        if len(newly):
            parameters = {"learners": newly, "achievement_id": rule.rule.id}
            _, earlier = _cells(packed.ask(connection, LOAD_ALL, parameters))
            cells = _joined(_among(cells, ~np.isin(cells.learner, newly)), earlier)
        if len(seen.row) or len(cells.learner):
            changed, unlocks = achievement_periods.update(rule, cells, seen, batch, groups, once.unlocking)
            _write(connection, rule.slot, changed, effects)
            found.append(unlocks)
    return found


def load(connection: Connection, rule: CompiledRule, learners: Int64) -> Cells:
    """Every stored cell of some learners under one rule."""
    return _cells(packed.ask(connection, LOAD_ALL, {"learners": learners, "achievement_id": rule.rule.id}))[1]


def _newly_allowed(rule: CompiledRule, once: Update, groups: Groups) -> Int64:
    """The learners to whom this batch unlocked something that the rule requires."""
    newly = np.zeros(groups.size, bool)
    for slot in rule.requires:
        newly |= (once.unlocking[slot] >= 0) & (once.unlocking[slot] < NEVER)
    return groups.keys[newly]


def _cells(answer: Answer) -> tuple[Int64, Cells]:
    """(n,) the place of each cell's rule, and the n cells."""
    place, *columns = (column.astype(np.int64) for column in packed.packed_answer(answer, _DTYPES))
    return place, Cells(*columns)


def _among(cells: Cells, keep: Mask) -> Cells:
    """The cells where the mask holds."""
    kept_entries = np.repeat(keep, cells.entries)
    return Cells(*(column[keep if place < 5 else kept_entries] for place, column in enumerate(cells)))


def _joined(one: Cells, other: Cells) -> Cells:
    return Cells(*(np.concatenate(columns) for columns in zip(one, other, strict=True)))


def _write(connection: Connection, slot: int, cells: Cells, effects: Effects) -> None:
    if not len(cells.learner):
        return
    last = np.cumsum(cells.entries)
    connection.execute(
        WRITE,
        {
            "slot": slot + 1,
            "learners": cells.learner,
            "periods": cells.period.astype(np.int32),
            "progress": cells.progress.astype(np.int32),
            "tiers": cells.tiers.astype(np.int16),
            "members": cells.member,
            "weights": cells.weight.astype(np.int32),
            "firsts": (last - cells.entries + 1).astype(np.int32),
            "lasts": last.astype(np.int32),
            "applied_seq": effects.applied_seq,
        },
    )
