"""Did the worker lose, double or miscount anything?  The tables against the reference, and the books of the log.

Integers, texts and lists must be equal; sums within 1e-9 relative; logarithms of sums within 1e-8, which is the same
statement about the sum itself plus the rounding of a logarithm of size 1e5.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from personalize.bench.fault_events import Truth
from personalize.bench.fault_folds import Rows, expected_tables
from personalize.bench.fault_tables import Database, held_tables

_MOST_FINDINGS: Final = 12
_RELATIVE: Final = 1e-9
_LOG_ABSOLUTE: Final = 1e-8

OFFSETS: Final = "SELECT topic, part, next_offset FROM stream_offset WHERE projection = 'worker'"
RANGES: Final = """
SELECT topic, part, first_offset, end_offset, epoch, delivered, applied, duplicates, dead, misrouted
FROM applied_range WHERE projection = 'worker' ORDER BY topic, part, applied_seq
"""
DEAD: Final = "SELECT topic, part, log_offset FROM dead_letter"
INTERESTS: Final = "SELECT user_id, interests FROM learner_private JOIN learners USING (learner_key)"
COMMANDS: Final = "SELECT command_id FROM command_result"
OUTBOX: Final = "SELECT count(*) FROM outbox"
SPLIT: Final = """
SELECT part FROM stream_offset WHERE projection = 'worker' AND topic IN ('interactions', 'learner-commands')
GROUP BY part HAVING count(DISTINCT owner) > 1
"""


@dataclass(slots=True)
class Verdict:
    """What is wrong; all zero when nothing is."""

    lost: int = 0
    """Events, dead letters, records or commands that should be there and are not."""
    doubled: int = 0
    """Events or ranges of the log that were applied more than once."""
    wrong: int = 0
    """Cells of read models that hold another value than the reference."""
    findings: list[str] = field(default_factory=list)
    """The first few, in words."""

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.wrong)

    def note(self, kind: str, count: int, what: str) -> None:
        """Adds ``count`` to ``lost``, ``doubled`` or ``wrong``."""
        if count:
            setattr(self, kind, getattr(self, kind) + count)
            if len(self.findings) < _MOST_FINDINGS:
                self.findings.append(f"{kind} {count}: {what}")


def judge(verdict: Verdict, database: Database, truth: Truth) -> None:
    """Compares everything and notes what differs; the worker must be quiet."""
    _judge_books(verdict, database, truth)
    expected = expected_tables(truth)
    held, repeated = held_tables(database)
    for name, rows in expected.items():
        verdict.note("doubled", repeated[name], f"{name} repeats keys")
        compare(verdict, name, rows, held[name])
    _judge_commands(verdict, database, truth)


def compare(verdict: Verdict, name: str, expected: Rows, held: Rows) -> None:
    """Notes each difference between the rows of a table and those of the reference."""
    missing, foreign = expected.keys() - held.keys(), held.keys() - expected.keys()
    kind = "lost" if name == "interaction_log" else "wrong"
    verdict.note(kind, len(missing), f"{name} lacks {_some(missing)}")
    verdict.note("wrong", len(foreign), f"{name} has {_some(foreign)} that nothing accounts for")
    for key in sorted(expected.keys() & held.keys(), key=repr):
        for column, value in expected[key].items():
            if not same(column, value, held[key][column]):
                verdict.note("wrong", 1, f"{name}{key}.{column} is {held[key][column]!r}, should be {value!r}")


def same(column: str, expected: Any, held: Any) -> bool:
    """Whether a cell holds what the reference says."""
    if not isinstance(expected, float):
        return bool(expected == held)
    if math.isinf(expected) or math.isinf(held):
        return bool(expected == held)
    if column.startswith("log_"):
        return math.isclose(expected, held, rel_tol=0, abs_tol=_LOG_ABSOLUTE)
    return math.isclose(expected, held, rel_tol=_RELATIVE, abs_tol=_RELATIVE)


def _some(keys: set[tuple[Any, ...]]) -> str:
    return ", ".join(map(repr, sorted(keys, key=repr)[:3]))


def _judge_books(verdict: Verdict, database: Database, truth: Truth) -> None:
    """Offsets at the log end, ranges that tile, epochs that never go back, every delivered record accounted for."""
    offsets = {(topic, part): offset for topic, part, offset in database.execute(OFFSETS).fetchall()}
    for partition, end in truth.ends.items():
        behind = end - offsets.get(partition, 0)
        verdict.note("lost", max(behind, 0), f"{partition} stands {behind} before its end")
        verdict.note("doubled", max(-behind, 0), f"{partition} stands behind its end")
    cursor: dict[Any, int] = defaultdict(int)
    newest_epoch: dict[Any, int] = defaultdict(int)
    totals: dict[str, int] = defaultdict(int)
    delivered: dict[Any, int] = defaultdict(int)
    for topic, part, first, end, epoch, *counts in database.execute(RANGES).fetchall():
        partition = (topic, part)
        if partition not in truth.ends:
            continue
        verdict.note("lost", max(first - cursor[partition], 0), f"{partition} has a hole before {first}")
        verdict.note("doubled", max(cursor[partition] - first, 0), f"{partition} applied {first} again")
        verdict.note("wrong", int(epoch < newest_epoch[partition]), f"{partition}: an older owner wrote at {first}")
        cursor[partition], newest_epoch[partition] = end, max(epoch, newest_epoch[partition])
        delivered[partition] += counts[0]
        for name, count in zip(("applied", "duplicates", "dead", "misrouted"), counts[1:], strict=True):
            totals[name] += count
    for partition, count in truth.delivered.items():
        short = count - delivered[partition]
        verdict.note("lost", max(short, 0), f"{partition}: {delivered[partition]} of {count} records were delivered")
        verdict.note("doubled", max(-short, 0), f"{partition}: {delivered[partition]} delivered of {count} records")
    dead = {tuple(row) for row in database.execute(DEAD).fetchall()}
    verdict.note("lost", len(truth.dead - dead), f"dead letters lack {_some(truth.dead - dead)}")
    verdict.note("wrong", len(dead - truth.dead), f"dead letters hold good records {_some(dead - truth.dead)}")
    # Dedupe would hide a second application of a range; the counts of the books do not.
    for name, count in {
        "duplicates": truth.duplicates,
        "dead": len(truth.dead),
        "misrouted": truth.misrouted,
    }.items():
        verdict.note("wrong", int(totals[name] != count), f"the books say {totals[name]} {name}, the topic {count}")


def _judge_commands(verdict: Verdict, database: Database, truth: Truth) -> None:
    carried_out = {row[0] for row in database.execute(COMMANDS).fetchall()}
    verdict.note("lost", len(truth.commands - carried_out), "commands without a verdict")
    verdict.note("wrong", len(carried_out - truth.commands), "verdicts on commands that nobody gave")
    interests: dict[str, list[str]] = dict(database.execute(INTERESTS).fetchall())
    differing = [user for user, wanted in truth.interests.items() if interests.get(user) != wanted]
    verdict.note("wrong", len(differing), f"interests of {differing[:3]}")
    split = [part for (part,) in database.execute(SPLIT).fetchall()]
    verdict.note("wrong", len(split), f"partitions {split} of the two learner-keyed topics have different owners")
    row = database.execute(OUTBOX).fetchone()
    verdict.note("lost", row[0] if row else 0, "rows left in the outbox")
