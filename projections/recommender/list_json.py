"""How do a thousand lists a second become JSON?  By formatting numbers into fragments that were made once an item.

What an item says of itself, and what a reason says, is encoded when it is first needed and kept; the rest of an entry
is numbers.  The result is what `list_rows.recommendations` gives, but for trailing zeros of numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from models.recommendation.exploration import SLOT
from models.recommendation.sources import FAMILIES
from projections import changes
from projections.reads import ready_list
from projections.reads.ready_list import ReadyList
from projections.recommender import reasons
from projections.recommender.list_rows import DERIVED, HYBRID, RELEVANCE_SCALE, List, list_id, moment
from projections.recommender.reasons import reason
from projections.recommender.reranking import Described
from projections.stores.redis import Mirror, recommendations_key

_encode = msgspec.json.Encoder().encode
_TERMS = b",".join(b'"%s":%%.4f' % family.encode() for family in FAMILIES)
_ENTRY = (
    b'%s%.6f,"confidenceScore":%.4f,"reason":%s,"recommendationId":"%s-%d","terms":{' + _TERMS + b'},"rank":%d,'
    b'"generatedAt":%s}'
)
MOST_REASONS = 10_000


class ListEncoder:
    """Ready lists; holds the fragments of one view of the content.

    Args:
        described: content by item key.
    """

    def __init__(self, described: dict[int, Described]) -> None:
        self.described = described
        self._items: dict[int, bytes] = {}
        self._reasons: dict[tuple[int, int], bytes] = {}

    def ready(self, lists: Sequence[List]) -> list[ReadyList]:
        """The beginning of each list, ready to be served."""
        if not lists:
            return []
        shown = [min(ready_list.MOST_ITEMS, len(one.item_key)) for one in lists]
        terms = np.concatenate([one.terms[:count] for one, count in zip(lists, shown, strict=True)]).astype(np.float64)
        terms = np.round(terms, 4) + 0.0  # no negative zeros
        score = np.clip(terms.sum(axis=1) / RELEVANCE_SCALE, -60.0, 60.0)
        relevance = (1.0 / (1.0 + np.exp(-score))).tolist()
        rows, first, made = terms.tolist(), 0, []
        for one, count in zip(lists, shown, strict=True):
            made.append(self._ready(one, count, rows[first : first + count], relevance[first : first + count]))
            first += count
        return made

    def _ready(self, one: List, shown: int, terms: list[list[float]], relevance: list[float]) -> ReadyList:
        name = list_id(HYBRID, one.learner_key, one.generated_ms).encode()
        generated_at = _encode(moment(one.generated_ms))
        sure = np.clip(one.confidence[:shown], 0.0, 1.0).tolist()
        source = one.source[:shown].tolist()
        items = [
            _ENTRY
            % (
                self._item(key),
                relevance[k],
                sure[k],
                self._reason(source[k], one.last_item_key),
                name,
                k + 1,
                *terms[k],
                k + 1,
                generated_at,
            )
            for k, key in enumerate(one.item_key[:shown].tolist())
        ]
        packed = ready_list.pack(items, generated_at_ms=one.generated_ms, as_of_ms=one.as_of_ms)
        decided = one.propensity > 0.0 and shown > SLOT
        return msgspec.structs.replace(
            packed,
            complete=shown == len(one.item_key),
            slot_rank=SLOT + 1 if decided else 0,
            explored=decided and source[SLOT] == reasons.EXPLORED_CODE,
            propensity=one.propensity if decided else 1.0,
        )

    def _item(self, key: int) -> bytes:
        """The beginning of an entry, up to its first number."""
        found = self._items.get(key)
        if found is None:
            content = self.described[key]
            own = {
                "type": HYBRID,
                "contentId": content.content_id,
                "contentType": content.content_type,
                "title": content.title or content.content_id,
            }
            found = self._items[key] = _encode(own)[:-1] + b',"relevanceScore":'
        return found

    def _reason(self, source: int, last_item_key: int) -> bytes:
        named = (source, last_item_key if reasons.names_the_last(source) else 0)
        found = self._reasons.get(named)
        if found is None:
            if len(self._reasons) >= MOST_REASONS:
                self._reasons.clear()
            last = self.described.get(named[1])
            found = self._reasons[named] = _encode(reason(source, last.title if last else None))
        return found


def mirror_lists(mirror: Mirror, lists: Sequence[List], encoder: ListEncoder) -> None:
    """Queues the beginning of each list for Redis, and takes older lists of derived kinds out of it."""
    for one, ready in zip(lists, encoder.ready(lists), strict=True):
        mirror.put(recommendations_key(one.learner_key, HYBRID), one.applied_seq, ready_list.encode(ready))
        for kind in DERIVED:
            mirror.forget(recommendations_key(one.learner_key, kind), one.applied_seq)
    newest = max((one.applied_seq for one in lists), default=0)
    changes.add(mirror, [changes.of_lists([one.learner_key for one in lists], newest)])
