"""Which constants does the learner model use?  Chosen on splits of training learners, never on test learners.

The choice was made on ASSISTments 2009 and Statics 2011 (training files only, held-out fifths of their learners); the
model is insensitive to all of them: halving or doubling one moves the area under the curve by less than .001.
A fold must replay identically, so these are part of the snapshot format: change one, raise ``FORMAT``.
"""

from __future__ import annotations

FORMAT = 1
"""Version of the state layout and of these constants, written into every snapshot."""

MAX_SKILLS = 16
"""Skills an item may have; an attempt with more is refused."""

# Ratings on the logit scale: a learner, a learner at a skill, an item and a skill each have a mean and a variance.
LEARNER_VARIANCE = 1.0
LEARNER_SKILL_VARIANCE = 0.5
ITEM_VARIANCE = 1.0
SKILL_VARIANCE = 1.0
LEARNER_DRIFT = 0.002
"""Variance that a learner's general ability gains with each attempt: people change."""
LEARNER_SKILL_DRIFT = 0.03
"""Variance that a learner's ability at a skill gains with each attempt at it: practice teaches."""
LEARNER_DRIFT_PER_DAY = 0.001
LEARNER_SKILL_DRIFT_PER_DAY = 0.005
"""Variance gained by absence, up to the prior; both data sets lack times, so these two are cautious, not fitted."""

LEARNING_RATE = 0.08
"""AdaGrad step of the logistic regression (Duchi, Hazan, Singer 2011)."""
FIRST_GRADIENT = 0.3
"""Start of each sum of squared gradients: keeps the first step of a rare feature small."""
RESIDUAL_RATE = 0.2
RESIDUAL_SKILL_RATE = 0.3
"""Rates of the exponential means of (outcome - prediction) of a learner, and of a learner at a skill."""

# When a skill counts as mastered.
MASTERED_AT = 0.85
LOST_BELOW = 0.75
"""A skill counts as mastered from the first on, and as lost again only below the second: no flicker in between."""
EVIDENCE_ATTEMPTS = 3
"""Mastery is gained on this many successes in a row at the skill itself, for general ability alone is hearsay; it is
lost when all but one of the last so many attempts failed."""

HOUR_MS = 3_600_000.0
DAY_MS = 86_400_000.0
HOURS_SCALE = 0.2
"""Brings log(1 + hours) to the size of the other features."""

# Dense features, the first entries of the general weights.
BIAS = 0
RATING_LOGIT = 1
ABILITY = 2
SKILL_ABILITY = 3
DIFFICULTY = 4
SKILL_DIFFICULTY = 5
LOG_WINS = 6
LOG_FAILS = 7
LOG_SKILL_WINS = 8
LOG_SKILL_FAILS = 9
LOG_ITEM_WINS = 10
LOG_ITEM_FAILS = 11
RESIDUAL = 12
SKILL_RESIDUAL = 13
HOURS_AWAY = 14
HOURS_AWAY_SKILL = 15
HOURS_AWAY_ITEM = 16
FORGETTING = 17
DENSE = 18

# Sparse features of the general weights: where each block starts.
RECENT_START = DENSE
RECENT_SIZE = 192
"""The learner's last 5 outcomes as bits, times how many there are (0..5)."""
REPEAT_START = RECENT_START + RECENT_SIZE
REPEAT_SIZE = 16
"""The learner's last 2 outcomes at this very item, times how many there are (0..3)."""
SKILL_PAIR_START = REPEAT_START + REPEAT_SIZE
SKILL_PAIR_SIZE = 1 << 16
"""Hashed (previous skill, previous outcome, skill)."""
ITEM_PAIR_START = SKILL_PAIR_START + SKILL_PAIR_SIZE
ITEM_PAIR_SIZE = 1 << 18
"""Hashed (previous item, previous outcome, item)."""
GENERAL = ITEM_PAIR_START + ITEM_PAIR_SIZE

# Weights of one skill: bias, slopes on the counts, and the pattern of the last 3 outcomes times how many (0..4).
SKILL_BIAS = 0
SKILL_WINS_SLOPE = 1
SKILL_FAILS_SLOPE = 2
SKILL_PATTERN = 3
SKILL_WIDTH = SKILL_PATTERN + 64
# Weights of one item: bias, slope on the rating logit, and the last 2 outcomes at its first skill times "more than 1".
ITEM_BIAS = 0
ITEM_SLOPE = 1
ITEM_PATTERN = 2
ITEM_WIDTH = ITEM_PATTERN + 8
