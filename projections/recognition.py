"""Who may see a learner's achievements, and who cheered?  The public page by opt-in, and kudos by peers.

Both come from commands.  A page exists while its learner consents to `share` and has not taken it back; its token is
all that finds it.  The name on it is what the learner gave for it.
"""

from __future__ import annotations

import datetime as dt
from typing import LiteralString

from models.learner.streaks import local_day
from projections.projection import Effects
from projections.stores.postgres import Connection
from schemas.event_time import epoch_ms
from schemas.problems import Problem
from schemas.recognition import AchievementsPageSet, KudosGiven

CONSENTS: LiteralString = "SELECT consent & 32 <> 0 FROM learners WHERE learner_key = %(learner_key)s"
PUT_PAGE: LiteralString = """
INSERT INTO learner_private_page (learner_key, token, display_name, shared_at)
VALUES (%(learner_key)s, %(token)s, %(display_name)s, %(at)s)
ON CONFLICT (learner_key) DO UPDATE SET display_name = excluded.display_name
"""
"""Shared again, a page keeps its address; taken back and shared, it has a new one."""
DROP_PAGE: LiteralString = "DELETE FROM learner_private_page WHERE learner_key = %(learner_key)s"
FIND: LiteralString = """
SELECT learner_key, timezone, day_start_hour,
       EXISTS (SELECT FROM achievement_unlock AS held
               WHERE held.learner_key = learners.learner_key AND achievement_id = %(achievement_id)s)
       AND consent & 32 <> 0
FROM learners WHERE user_id = %(user_id)s
"""
GIVER: LiteralString = "SELECT learner_key FROM learners WHERE user_id = %(user_id)s"
GIVE: LiteralString = """
INSERT INTO achievement_kudos (learner_key, achievement_id, giver_key, given_at, local_day, applied_seq)
VALUES (%(learner_key)s, %(achievement_id)s, %(giver_key)s, %(at)s, %(local_day)s, %(applied_seq)s)
ON CONFLICT DO NOTHING RETURNING giver_key
"""
FORGET: tuple[LiteralString, ...] = (
    "DELETE FROM learner_private_page WHERE learner_key = %(learner_key)s",
    "DELETE FROM achievement_kudos WHERE learner_key = %(learner_key)s",
    "DELETE FROM achievement_kudos WHERE giver_key = %(learner_key)s",
)

Verdict = tuple[int, Problem | None]

_NO_CONSENT = Problem(
    type="/problems/consent-needed",
    title="Consent needed",
    status=409,
    detail="The learner has not agreed to `share`; set that consent first.",
)
_NOT_SHARED = Problem(type="/problems/not-shared", title="No such shared achievement", status=404)
_UNKNOWN_GIVER = Problem(type="/problems/unknown-giver", title="Unknown giver", status=404)
_TO_ONESELF = Problem(type="/problems/own-kudos", title="Kudos are for others", status=409)
_GIVEN = Problem(type="/problems/kudos-given", title="Given already", status=409)


def set_page(connection: Connection, learner_key: int, command: AchievementsPageSet) -> Verdict:
    """Puts a learner's achievements on a public page, or takes it back: 200; 409 without the consent to share."""
    if not command.active:
        connection.execute(DROP_PAGE, {"learner_key": learner_key})
        return 200, None
    agreed = connection.execute(CONSENTS, {"learner_key": learner_key}).fetchone()
    if agreed is None or not agreed[0]:
        return 409, _NO_CONSENT
    connection.execute(
        PUT_PAGE,
        {
            "learner_key": learner_key,
            "token": command.page_token,
            "display_name": command.display_name,
            "at": _moment(epoch_ms(command.issued_at)),
        },
    )
    return 200, None


def give_kudos(connection: Connection, command: KudosGiven, effects: Effects) -> Verdict:
    """Counts a peer's kudos for an achievement: 201; 409 to oneself or twice; 404 where nothing is shared."""
    if command.giver_id == command.user_id:
        return 409, _TO_ONESELF
    receiver = connection.execute(
        FIND, {"user_id": command.user_id, "achievement_id": command.achievement_id}
    ).fetchone()
    if receiver is None or not receiver[3]:
        return 404, _NOT_SHARED
    giver = connection.execute(GIVER, {"user_id": command.giver_id}).fetchone()
    if giver is None:
        return 404, _UNKNOWN_GIVER
    at_ms = epoch_ms(command.issued_at)
    day = local_day(at_ms, receiver[1], receiver[2])
    given = connection.execute(
        GIVE,
        {
            "learner_key": receiver[0],
            "achievement_id": command.achievement_id,
            "giver_key": giver[0],
            "at": _moment(at_ms),
            "local_day": day,
            "applied_seq": effects.applied_seq,
        },
    ).fetchone()
    if given is None:
        return 409, _GIVEN
    effects.kudos.append((receiver[0], giver[0], at_ms, day))
    return 201, None


def _moment(at_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
