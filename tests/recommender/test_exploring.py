"""One place of some lists tries something out: by the list's id, with a propensity that is what it says."""

from __future__ import annotations

import json

import msgspec
import numpy as np

from models.recommendation.exploration import SHARE, SLOT
from projections.recommender import list_rows, reasons
from projections.recommender.exploring import FROM_PLACE, NOTHING_SHOWN, Exposures, Part, explored
from projections.recommender.list_json import ListEncoder
from projections.recommender.list_rows import List
from projections.recommender.reranking import Described

ITEMS = 60


def part() -> Part:
    """A list of 60 items, scores falling."""
    terms = np.zeros((ITEMS, 4), np.float32)
    terms[:, 1] = np.linspace(3, -3, ITEMS)
    return Part(np.arange(ITEMS, dtype=np.int32), terms, np.full(ITEMS, 2, np.int16))


def test_the_same_list_is_explored_alike_and_only_some_are() -> None:
    """The id decides; about a tenth of the lists explore; only two items change places, and terms go with them."""
    tried = 0
    for n in range(2_000):
        one, again = explored(part(), NOTHING_SHOWN, f"list-{n}"), explored(part(), NOTHING_SHOWN, f"list-{n}")
        assert (one.part.item == again.part.item).all()
        assert one.propensity == again.propensity
        if one.part.source[SLOT] != reasons.EXPLORED_CODE:
            assert (one.part.item == part().item).all()
            assert one.propensity == 1.0 - SHARE
            continue
        tried += 1
        item = int(one.part.item[SLOT])
        assert item >= FROM_PLACE
        assert one.part.item[item] == SLOT
        assert one.part.terms[SLOT, 1] == part().terms[item, 1]
        assert 0 < one.propensity <= SHARE
    assert 150 < tried < 250


def test_propensities_are_the_shares_that_are_seen() -> None:
    """Over many lists, each item's share at the place is the mean of its propensities, within chance."""
    shown = np.zeros(ITEMS, np.int64)
    shown[20:30] = np.arange(0, 100, 10)
    exposures = Exposures(shown, shown // 3)
    lists = 4_000
    seen, weight = np.zeros(ITEMS), 0.0
    for n in range(lists):
        one = explored(part(), exposures, f"l{n}", share=1.0)
        seen[one.part.item[SLOT]] += 1
        weight += 1.0 / one.propensity
    assert seen[30:].sum() + seen[20:30].sum() == lists
    # Each item that can be shown adds 1 to the expectation of 1 / propensity.
    assert abs(weight / lists - (seen > 0).sum()) < 2.0


def test_pins_short_lists_and_a_share_of_nothing_are_left_alone() -> None:
    """No exploration where the place is pinned, where nothing stands further down, or where it is switched off."""
    pinned = part()
    pinned.source[SLOT] = reasons.PINNED_CODE
    short = Part(*(column[:FROM_PLACE] for column in part()))
    filled = part()
    filled.source[FROM_PLACE:] = reasons.POPULAR_CODE
    for one in (pinned, short, filled):
        assert all(explored(one, NOTHING_SHOWN, f"{n}", share=1.0).propensity == 0.0 for n in range(5))
    assert explored(part(), NOTHING_SHOWN, "x", share=0.0).propensity == 0.0


def test_fast_json_is_what_a_read_from_postgres_gives() -> None:
    """The ready list says the same as the entries made from the stored row, also with an explored place."""
    one = explored(part(), NOTHING_SHOWN, "l1", share=1.0)
    described = {100 + n: Described(f'c"{n}', "video", f"Título {n}" if n % 2 else None) for n in range(ITEMS)}
    made = List(
        learner_key=7,
        applied_seq=3,
        as_of_ms=1,
        last_item_key=103,
        item_key=one.part.item.astype(np.int64) + 100,
        terms=one.part.terms,
        source=one.part.source,
        confidence=np.linspace(0.4, 0.01, ITEMS),
        generated_ms=1_790_000_000_123,
        propensity=one.propensity,
    )
    (ready,) = ListEncoder(described).ready([made])
    entries = list_rows.recommendations(
        "hybrid",
        7,
        made.generated_ms,
        [described[key] for key in made.item_key.tolist()],
        made.terms.tolist(),
        made.source.tolist(),
        made.confidence.tolist(),
        described[103].title,
        range(1, ITEMS + 1),
    )
    assert json.loads(ready.body(20)) == json.loads(msgspec.json.encode(entries[:20]))
    assert (ready.slot_rank, ready.explored, ready.complete) == (SLOT + 1, True, False)
    assert ready.propensity == one.propensity
