"""Which column of a learner's tables holds what?  The layout that the states and the compiled kernel share."""

from __future__ import annotations

# Columns of the learner table.  Whole numbers below 2**53 are exact in float64, and one dtype keeps a row on two lines.
KEY, ABILITY, VARIANCE, WINS, FAILS, RESIDUAL, RECENT, LAST_AT = range(8)
LAST_ITEM, LAST_OUTCOME, LAST_SKILL, SHARED_VERSION, SKILL_HEAD, ITEM_HEAD = range(8, 14)
LEARNER_WIDTH = 14
# Columns of the skill and the item table: who owns the row, which key, and the owner's next row (0 ends the chain).
OWNER, ROW_KEY, NEXT = range(3)
SKILL_ABILITY, SKILL_VARIANCE, SKILL_WINS, SKILL_FAILS, SKILL_RESIDUAL, SKILL_RECENT, SKILL_LAST_AT = range(3, 10)
SKILL_WIDTH = 10
ITEM_WINS, ITEM_FAILS, ITEM_RECENT, ITEM_LAST_AT = range(3, 7)
ITEM_WIDTH = 7
