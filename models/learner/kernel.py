"""What does one attempt predict, and what does it teach?  The compiled inner loop of the learner model.

Prediction is a sparse logistic regression.  Its first feature is the logit of ratings with uncertainty,

    e = θ_u + mean_k θ_uk − d_i − mean_k d_k,

each rating a mean and a variance that an attempt moves by its share of the total variance (the extended Kalman form of
Elo: gain = v / (1 + h Σ v), h = p(1 − p); Glickman 1999 for one pair, Pelánek 2016 for Elo in education).  The others
are log counts of successes and failures (Best-LR, Gervet et al. 2020), the last outcomes as patterns, and what was
tried just before.  Weights learn by AdaGrad.  Symbols: u learner, k skill, i item, y outcome, z logit.
"""

from __future__ import annotations

from math import exp, log1p, pi, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.learner import constants as c
from models.learner import layout as t
from models.learner.hashing import add_row, find_row, mix
from models.learner.learners import LearnerTables
from models.learner.shared import SharedTables

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

COMPILED_FROM = "7ed40d687d7f02e0"
"""Digest of the sources that compile into this module.  Compiled code is cached by this file alone, so this line has to
change with them; a test says what to."""
ENTRIES = c.DENSE + 6 + 6 * c.MAX_SKILLS
"""Features of one attempt: dense ones, three patterns, item ones, and five a skill."""
_GENERAL, _SKILL, _ITEM = 0, 1, 2


class Batch(NamedTuple):
    """n attempts as columns, learners already as rows of the learner table."""

    row: Int64
    item: Int64
    success: Float64
    at_ms: Int64
    skill_start: Int64
    skills: Int64


class Attempt(NamedTuple):
    """One attempt and where its state stands; row 0 is the prior."""

    row: int
    item: int
    item_row: int
    skills: Int64
    skill_rows: Int64
    at_ms: float


class Features(NamedTuple):
    """The features of one attempt: ``value`` times the weight at ``place`` of a weight table."""

    table: Int64
    place: Int64
    value: Float64


class Outcome(NamedTuple):
    """What happened against what was expected."""

    y: float
    p: float
    """Probability by the logistic regression."""
    e: float
    """Probability by the ratings alone."""
    h: float
    """e (1 − e), the slope of the rating curve."""
    total: float
    """1 + h Σ v, the variance of the outcome in units of h."""


@njit(cache=True)
def sigmoid(z: float) -> float:
    """1 / (1 + e^(−z)), z in [−35, 35] so that a prediction is never exactly 0 or 1."""
    return 1.0 / (1.0 + exp(-min(max(z, -35.0), 35.0)))


@njit(cache=True)
def hours_between(earlier_ms: float, later_ms: float) -> float:
    """Hours from one time to the next; 0 where one is unknown (0) or they are out of order."""
    if earlier_ms <= 0.0 or later_ms <= earlier_ms:
        return 0.0
    return (later_ms - earlier_ms) / c.HOUR_MS


@njit(cache=True)
def locate_skills(tables: LearnerTables, row: int, skills: Int64, skill_rows: Int64, create: bool) -> None:
    """Fill in the row of each skill; missing rows are added or stand at the prior."""
    for j in range(len(skills)):
        found = find_row(tables.skill_slot, tables.skill, row, skills[j])
        if found == 0 and create:
            found = tables.used[0]
            tables.used[0] += 1
            tables.skill[found, :] = tables.skill[0, :]
            add_row(tables.skill_slot, tables.skill, found, row, skills[j])
            tables.skill[found, t.NEXT] = tables.learner[row, t.SKILL_HEAD]
            tables.learner[row, t.SKILL_HEAD] = found
        skill_rows[j] = found


@njit(cache=True)
def locate_item(tables: LearnerTables, row: int, item: int, create: bool) -> int:
    """The row of the item; a missing one is added or stands at the prior."""
    found: int = find_row(tables.item_slot, tables.item, row, item)
    if found == 0 and create:
        found = tables.used[1]
        tables.used[1] += 1
        tables.item[found, :] = tables.item[0, :]
        add_row(tables.item_slot, tables.item, found, row, item)
        tables.item[found, t.NEXT] = tables.learner[row, t.ITEM_HEAD]
        tables.learner[row, t.ITEM_HEAD] = found
    return found


@njit(cache=True)
def drift(tables: LearnerTables, attempt: Attempt) -> None:
    """Absence makes abilities less certain, up to the prior."""
    learner = tables.learner[attempt.row]
    days = hours_between(learner[t.LAST_AT], attempt.at_ms) / 24.0
    if days > 0.0:
        grown = learner[t.VARIANCE] + c.LEARNER_DRIFT_PER_DAY * days
        learner[t.VARIANCE] = max(learner[t.VARIANCE], min(grown, c.LEARNER_VARIANCE))
    for j in range(len(attempt.skill_rows)):
        skill = tables.skill[attempt.skill_rows[j]]
        days = hours_between(skill[t.SKILL_LAST_AT], attempt.at_ms) / 24.0
        if days > 0.0:
            grown = skill[t.SKILL_VARIANCE] + c.LEARNER_SKILL_DRIFT_PER_DAY * days
            skill[t.SKILL_VARIANCE] = max(skill[t.SKILL_VARIANCE], min(grown, c.LEARNER_SKILL_VARIANCE))


@njit(cache=True)
def dense(tables: LearnerTables, shared: SharedTables, attempt: Attempt, x: Float64) -> float:
    """Fill in the dense features and return Σ v of the rating logit, each variance by its squared share."""
    learner, own = tables.learner[attempt.row], tables.item[attempt.item_row]
    item, skills, at_ms = attempt.item, attempt.skills, attempt.at_ms
    x[: c.DENSE] = 0.0
    share = 1.0 / max(len(skills), 1)
    variance: float = learner[t.VARIANCE] + shared.item_rating[item, 1]
    for j in range(len(skills)):
        skill, difficulty = tables.skill[attempt.skill_rows[j]], shared.skill_rating[skills[j]]
        x[c.SKILL_ABILITY] += share * skill[t.SKILL_ABILITY]
        x[c.SKILL_DIFFICULTY] += share * difficulty[0]
        x[c.LOG_SKILL_WINS] += share * log1p(skill[t.SKILL_WINS])
        x[c.LOG_SKILL_FAILS] += share * log1p(skill[t.SKILL_FAILS])
        x[c.SKILL_RESIDUAL] += share * skill[t.SKILL_RESIDUAL]
        x[c.HOURS_AWAY_SKILL] += share * c.HOURS_SCALE * log1p(hours_between(skill[t.SKILL_LAST_AT], at_ms))
        variance += share * share * (skill[t.SKILL_VARIANCE] + difficulty[1])
    x[c.BIAS] = 1.0
    x[c.ABILITY] = learner[t.ABILITY]
    x[c.DIFFICULTY] = shared.item_rating[item, 0]
    x[c.RATING_LOGIT] = x[c.ABILITY] + x[c.SKILL_ABILITY] - x[c.DIFFICULTY] - x[c.SKILL_DIFFICULTY]
    x[c.LOG_WINS] = log1p(learner[t.WINS])
    x[c.LOG_FAILS] = log1p(learner[t.FAILS])
    x[c.LOG_ITEM_WINS] = log1p(own[t.ITEM_WINS])
    x[c.LOG_ITEM_FAILS] = log1p(own[t.ITEM_FAILS])
    x[c.RESIDUAL] = learner[t.RESIDUAL]
    x[c.HOURS_AWAY] = c.HOURS_SCALE * log1p(hours_between(learner[t.LAST_AT], at_ms))
    x[c.HOURS_AWAY_ITEM] = c.HOURS_SCALE * log1p(hours_between(own[t.ITEM_LAST_AT], at_ms))
    x[c.FORGETTING] = x[c.HOURS_AWAY_ITEM] * x[c.LOG_ITEM_WINS]
    return variance


@njit(cache=True)
def sparse(tables: LearnerTables, attempt: Attempt, features: Features) -> int:
    """Append the sparse features to the dense ones and return how many features there are."""
    learner, own = tables.learner[attempt.row], tables.item[attempt.item_row]
    item, skills, skill_rows = attempt.item, attempt.skills, attempt.skill_rows
    table, place, x = features
    n = c.DENSE
    seen = min(learner[t.WINS] + learner[t.FAILS], 5.0)
    place[n] = c.RECENT_START + np.int64(learner[t.RECENT]) + 32 * np.int64(seen)
    seen = min(own[t.ITEM_WINS] + own[t.ITEM_FAILS], 3.0)
    place[n + 1] = c.REPEAT_START + (np.int64(own[t.ITEM_RECENT]) & 3) + 4 * np.int64(seen)
    before = np.int64(2 * (learner[t.LAST_ITEM] + 1) + learner[t.LAST_OUTCOME])
    place[n + 2] = c.ITEM_PAIR_START + np.int64(mix(before, item) & np.uint64(c.ITEM_PAIR_SIZE - 1))
    table[n : n + 3] = _GENERAL
    x[n : n + 3] = 1.0
    first = tables.skill[skill_rows[0] if len(skills) else 0]
    pattern = (np.int64(first[t.SKILL_RECENT]) & 3) + (4 if first[t.SKILL_WINS] + first[t.SKILL_FAILS] > 1.0 else 0)
    place[n + 3] = item * c.ITEM_WIDTH + c.ITEM_BIAS
    place[n + 4] = item * c.ITEM_WIDTH + c.ITEM_SLOPE
    place[n + 5] = item * c.ITEM_WIDTH + c.ITEM_PATTERN + pattern
    table[n + 3 : n + 6] = _ITEM
    x[n + 3 : n + 6] = 1.0
    x[n + 4] = x[c.RATING_LOGIT]
    n += 6
    share = 1.0 / max(len(skills), 1)
    before = np.int64(2 * (learner[t.LAST_SKILL] + 1) + learner[t.LAST_OUTCOME])
    for j in range(len(skills)):
        skill, start = tables.skill[skill_rows[j]], skills[j] * c.SKILL_WIDTH
        seen = min(skill[t.SKILL_WINS] + skill[t.SKILL_FAILS], 4.0)
        place[n] = c.SKILL_PAIR_START + np.int64(mix(before, skills[j]) & np.uint64(c.SKILL_PAIR_SIZE - 1))
        place[n + 1] = start + c.SKILL_BIAS
        place[n + 2] = start + c.SKILL_WINS_SLOPE
        place[n + 3] = start + c.SKILL_FAILS_SLOPE
        place[n + 4] = start + c.SKILL_PATTERN + 8 * (np.int64(skill[t.SKILL_RECENT]) & 7) + np.int64(seen)
        table[n] = _GENERAL
        table[n + 1 : n + 5] = _SKILL
        x[n : n + 5] = share
        x[n + 2] = share * log1p(skill[t.SKILL_WINS])
        x[n + 3] = share * log1p(skill[t.SKILL_FAILS])
        n += 5
    return n


@njit(cache=True)
def logit(shared: SharedTables, features: Features, n: int) -> float:
    """Σ weight × value over the first n features."""
    z = 0.0
    for f in range(n):
        z += shared.weights[features.table[f]][features.place[f]] * features.value[f]
    return z


@njit(cache=True)
def learn_weights(shared: SharedTables, features: Features, n: int, residual: float) -> None:
    """One AdaGrad step on the log loss, residual = y − p."""
    for f in range(n):
        gradient = -residual * features.value[f]
        if gradient != 0.0:
            weight, squared = shared.weights[features.table[f]], shared.gradients[features.table[f]]
            at = features.place[f]
            squared[at] += gradient * gradient
            weight[at] -= c.LEARNING_RATE * gradient / sqrt(squared[at])


@njit(cache=True)
def learn_difficulty(shared: SharedTables, attempt: Attempt, outcome: Outcome) -> None:
    """Move the difficulty of the item and its skills by their share of the variance."""
    residual, curve = outcome.y - outcome.e, outcome.h / outcome.total
    rating = shared.item_rating[attempt.item]
    v, before, first = rating[1], rating[0], rating[1] == c.ITEM_VARIANCE
    rating[0] -= v / outcome.total * residual
    rating[1] = v - v * v * curve
    item_moved = rating[0] - (0.0 if first else before)
    share = 1.0 / max(len(attempt.skills), 1)
    for j in range(len(attempt.skills)):
        rating = shared.skill_rating[attempt.skills[j]]
        v = rating[1]
        rating[0] -= share * v / outcome.total * residual
        rating[1] = v - share * share * v * v * curve
        rating[2] += item_moved
        rating[3] += 1.0 if first else 0.0


@njit(cache=True)
def learn_abilities(tables: LearnerTables, attempt: Attempt, outcome: Outcome) -> None:
    """Move the learner's abilities by their share of the variance; count the outcome at each skill."""
    residual, curve = outcome.y - outcome.e, outcome.h / outcome.total
    learner = tables.learner[attempt.row]
    v = learner[t.VARIANCE]
    learner[t.ABILITY] += v / outcome.total * residual
    learner[t.VARIANCE] = v - v * v * curve + c.LEARNER_DRIFT
    share = 1.0 / max(len(attempt.skills), 1)
    for j in range(len(attempt.skills)):
        skill = tables.skill[attempt.skill_rows[j]]
        v = skill[t.SKILL_VARIANCE]
        skill[t.SKILL_ABILITY] += share * v / outcome.total * residual
        skill[t.SKILL_VARIANCE] = v - share * share * v * v * curve + c.LEARNER_SKILL_DRIFT
        skill[t.SKILL_WINS] += outcome.y
        skill[t.SKILL_FAILS] += 1.0 - outcome.y
        skill[t.SKILL_RESIDUAL] += c.RESIDUAL_SKILL_RATE * ((outcome.y - outcome.p) - skill[t.SKILL_RESIDUAL])
        skill[t.SKILL_RECENT] = (2 * np.int64(skill[t.SKILL_RECENT]) + np.int64(outcome.y)) & 31
        skill[t.SKILL_LAST_AT] = max(skill[t.SKILL_LAST_AT], attempt.at_ms)


@njit(cache=True)
def count_outcome(tables: LearnerTables, attempt: Attempt, outcome: Outcome) -> None:
    """Count the outcome for the learner as a whole and at the item, and remember it as the last one."""
    learner, own = tables.learner[attempt.row], tables.item[attempt.item_row]
    learner[t.WINS] += outcome.y
    learner[t.FAILS] += 1.0 - outcome.y
    learner[t.RESIDUAL] += c.RESIDUAL_RATE * ((outcome.y - outcome.p) - learner[t.RESIDUAL])
    learner[t.RECENT] = (2 * np.int64(learner[t.RECENT]) + np.int64(outcome.y)) & 31
    learner[t.LAST_AT] = max(learner[t.LAST_AT], attempt.at_ms)
    learner[t.LAST_ITEM] = attempt.item
    learner[t.LAST_OUTCOME] = outcome.y
    learner[t.LAST_SKILL] = attempt.skills[0] if len(attempt.skills) else -1
    own[t.ITEM_WINS] += outcome.y
    own[t.ITEM_FAILS] += 1.0 - outcome.y
    own[t.ITEM_RECENT] = (2 * np.int64(own[t.ITEM_RECENT]) + np.int64(outcome.y)) & 31
    own[t.ITEM_LAST_AT] = max(own[t.ITEM_LAST_AT], attempt.at_ms)


@njit(cache=True)
def run(tables: LearnerTables, shared: SharedTables, batch: Batch, update: tuple[bool, bool], said: Float64) -> None:
    """Predict each attempt in order into ``said`` (n, 2): by the logistic regression, by the ratings alone.

    Where ``update`` = (learners, shared) asks for it, that state learns from the attempt before the next one.
    """
    features = Features(np.zeros(ENTRIES, np.int64), np.arange(ENTRIES), np.zeros(ENTRIES))
    scratch = np.zeros(c.MAX_SKILLS, np.int64)
    for a in range(len(batch.row)):
        row, item, when = batch.row[a], batch.item[a], np.float64(batch.at_ms[a])
        skills = batch.skills[batch.skill_start[a] : batch.skill_start[a + 1]]
        locate_skills(tables, row, skills, scratch, update[0])
        item_row = locate_item(tables, row, item, update[0])
        attempt = Attempt(row, item, item_row, skills, scratch[: len(skills)], when)
        if update[0]:
            drift(tables, attempt)
        variance = dense(tables, shared, attempt, features.value)
        n = sparse(tables, attempt, features)
        p, e = sigmoid(logit(shared, features, n)), sigmoid(features.value[c.RATING_LOGIT])
        said[a, 0], said[a, 1] = p, e
        h = e * (1.0 - e)
        outcome = Outcome(batch.success[a], p, e, h, 1.0 + h * variance)
        if update[0]:
            learn_abilities(tables, attempt, outcome)
            count_outcome(tables, attempt, outcome)
        if update[1]:
            learn_weights(shared, features, n, outcome.y - p)
            learn_difficulty(shared, attempt, outcome)


@njit(cache=True)
def typical_difficulty(skill_rating: Float64) -> float:
    """Difficulty of a skill's average item: the skill's own plus the mean over its items that were attempted."""
    difficulty: float = skill_rating[0]
    if skill_rating[3] > 0.0:
        difficulty += skill_rating[2] / skill_rating[3]
    return difficulty


@njit(cache=True)
def recent_failures(own: Float64) -> int:
    """Failures among the last ``EVIDENCE_ATTEMPTS`` attempts of a skill row."""
    known = min(int(own[t.SKILL_WINS] + own[t.SKILL_FAILS]), c.EVIDENCE_ATTEMPTS)
    bits, successes = int(own[t.SKILL_RECENT]), 0
    for place in range(known):
        successes += (bits >> place) & 1
    return known - successes


@njit(cache=True)
def holds_mastery(mastery: float, attempts: float, failures: int, was: bool) -> bool:
    """Whether a skill counts as mastered, given whether it did before."""
    if was:
        return bool(mastery >= c.LOST_BELOW and failures < c.EVIDENCE_ATTEMPTS - 1)
    return bool(mastery >= c.MASTERED_AT and attempts >= c.EVIDENCE_ATTEMPTS and failures == 0)


@njit(cache=True)
def masteries(
    tables: LearnerTables, skill_rating: Float64, pairs: tuple[Int64, Int64, Mask], found: Float64, mastered: Mask
) -> None:
    """Mastery of n pairs of learner row and skill, and whether it counts as mastered, as in the module ``mastery``."""
    rows, skills, was = pairs
    for n in range(len(rows)):
        own = tables.skill[find_row(tables.skill_slot, tables.skill, rows[n], skills[n])]
        whole = tables.learner[rows[n]]
        difficulty = typical_difficulty(skill_rating[skills[n]]) if skills[n] < len(skill_rating) else 0.0
        variance = whole[t.VARIANCE] + own[t.SKILL_VARIANCE]
        found[n] = sigmoid((whole[t.ABILITY] + own[t.SKILL_ABILITY] - difficulty) / sqrt(1.0 + pi * variance / 8.0))
        mastered[n] = holds_mastery(found[n], own[t.SKILL_WINS] + own[t.SKILL_FAILS], recent_failures(own), was[n])


@njit(cache=True)
def follow(
    tables: LearnerTables, shared: SharedTables, batch: Batch, mastered: Mask, said: Float64, after: Float64
) -> None:
    """`run` for learners alone, with what each attempt leaves of each of its skills.

    ``mastered`` holds, by row of the skill table, which skills count as mastered, and changes with the attempts.
    ``after`` (len(skills), 5) gets mastery, ability above the skill's difficulty, its variance, attempts, and 1 where
    the attempt made the skill count as mastered, else 0.
    """
    for a in range(len(batch.row)):
        first, last = batch.skill_start[a], batch.skill_start[a + 1]
        here = slice(a, a + 1)
        start = batch.skill_start[a : a + 2] - first
        skills = batch.skills[first:last]
        one = Batch(batch.row[here], batch.item[here], batch.success[here], batch.at_ms[here], start, skills)
        run(tables, shared, one, (True, False), said[here])
        whole = tables.learner[batch.row[a]]
        for j in range(first, last):
            row = find_row(tables.skill_slot, tables.skill, batch.row[a], batch.skills[j])
            own = tables.skill[row]
            ability = whole[t.ABILITY] + own[t.SKILL_ABILITY] - typical_difficulty(shared.skill_rating[batch.skills[j]])
            variance = whole[t.VARIANCE] + own[t.SKILL_VARIANCE]
            mastery = sigmoid(ability / sqrt(1.0 + pi * variance / 8.0))
            attempts = own[t.SKILL_WINS] + own[t.SKILL_FAILS]
            before = mastered[row]
            mastered[row] = holds_mastery(mastery, attempts, recent_failures(own), before)
            after[j, 0], after[j, 1], after[j, 2], after[j, 3] = mastery, ability, variance, attempts
            after[j, 4] = 1.0 if mastered[row] and not before else 0.0
