"""What the demo says about Open University learners is what their table says."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import numpy as np
import pytest

from personalize.demo import oulad
from personalize.demo.activity_types import ACTIVITY_TYPES
from personalize.demo.records import Encoder, catalogue_records, title
from personalize.demo.timeline import split, timeline, unshifted
from personalize.errors import ProblemError
from schemas.catalogue import ContentSet
from schemas.decode import decode_interaction
from schemas.interactions import Interaction

DAY_MS = oulad.DAY_MS
NOW_MS = 1_800_000_000_000


@pytest.fixture(scope="module")
def bundled() -> oulad.Oulad:
    """The bundled module."""
    return oulad.read()


def test_bundled_counts(bundled):
    """The bundled module has 180,982 click rows of 378 learners, and 211 sites of which 209 were clicked."""
    clicks = bundled.clicks
    assert len(clicks) == 180_982
    assert len(np.unique(clicks.student)) == 378
    assert len(bundled.sites) == 211
    assert len(np.unique(clicks.site)) == 209
    assert bundled.presentations == (("AAA", "2013J"),)


def test_every_value_of_the_table_survives(bundled):
    """The rows are the table's rows as a multiset, no row lost, doubled or altered."""
    with gzip.open(oulad.BUNDLED / "studentVle_AAA_2013J.tsv.gz", "rt") as file:
        next(file)
        expected = sorted(tuple(int(cell) for cell in line.split("\t")[2:]) for line in file)
    clicks = bundled.clicks
    found = sorted(
        zip(*(column.tolist() for column in (clicks.student, clicks.site, clicks.day, clicks.clicks)), strict=True)
    )
    assert found == expected


def test_time_order_and_day(bundled):
    """Rows are in time order, and the invented time of day stays within the row's own day."""
    clicks = bundled.clicks
    begin_ms = 1_380_585_600_000  # 2013-10-01
    assert np.all(np.diff(clicks.at_ms) >= 0)
    assert np.array_equal((clicks.at_ms - begin_ms) // DAY_MS, clicks.day)


def test_reading_is_deterministic(bundled):
    """Reading twice gives the same times; another seed gives others."""
    again, other = oulad.read().clicks, oulad.read(seed=1).clicks
    assert np.array_equal(bundled.clicks.at_ms, again.at_ms)
    assert not np.array_equal(np.sort(bundled.clicks.at_ms), np.sort(other.at_ms))


def test_event_ids_are_unique_and_independent_of_the_shift(bundled):
    """Each row has its own eventId, the same one at every shift, and another one in another turn of the stream."""
    encoder = Encoder(bundled)
    clicks = bundled.clicks

    def ids(shift_ms: int, turn: int = 0) -> list[bytes]:
        return [value.split(b'"eventId":"')[1][:32] for value in encoder.values(clicks, clicks.at_ms + shift_ms, turn)]

    plain = ids(0)
    assert len(set(plain)) == len(clicks)
    assert plain == ids(DAY_MS)
    assert not set(plain) & set(ids(0, turn=1))


def test_records_are_what_the_schemas_say(bundled):
    """Every value decodes as an Interaction of its learner, and every catalogue record as a ContentSet."""
    clicks = bundled.clicks.take(slice(0, None, 50))
    for value, student in zip(Encoder(bundled).values(clicks, clicks.at_ms), clicks.student.tolist(), strict=True):
        interaction = decode_interaction(value)
        assert isinstance(interaction, Interaction)
        assert interaction.user_id == str(student)
    for key, value in catalogue_records(bundled):
        said = msgspec.json.decode(value, type=ContentSet)
        assert said.content_id == key.decode()
        assert said.position is not None


def test_titles_are_kind_and_ordinal(bundled):
    """A site's title is its kind and its ordinal among the module's sites of that kind, each title once."""
    titles = [title(site) for site in bundled.sites.values()]
    assert len(set(titles)) == 211
    assert {f"Forum {number}" for number in range(1, 16)} <= set(titles)
    assert "Home page 1" in titles
    assert len(catalogue_records(bundled)) == 211


def test_shift_cuts_now(bundled):
    """History ends now, live rows come after, and the shift is whole days so that hours stay what they were."""
    line = timeline(bundled.clicks, NOW_MS, live_days=42)
    assert line.shift_ms % DAY_MS == 0
    assert len(line.history) + len(line.live) == len(bundled.clicks)
    assert line.history.at_ms[-1] + line.shift_ms <= NOW_MS < line.live.at_ms[0] + line.shift_ms
    assert NOW_MS - (line.history.at_ms[-1] + line.shift_ms) < DAY_MS
    assert len(line.live) > 10_000


def test_later_start_keeps_the_cut(bundled):
    """The remembered shift and cut give the same history and the same live rows again."""
    first = timeline(bundled.clicks, NOW_MS)
    again = split(bundled.clicks, first.shift_ms, NOW_MS)
    assert np.array_equal(first.history.at_ms, again.history.at_ms)
    assert np.array_equal(first.live.at_ms, again.live.at_ms)


def test_no_shift_is_everything_as_it_was(bundled):
    """Without a shift all rows are history at their own times."""
    line = unshifted(bundled.clicks)
    assert (line.shift_ms, len(line.history), len(line.live)) == (0, len(bundled.clicks), 0)


def test_every_activity_type_has_a_meaning(bundled):
    """All twenty activity types of OULAD are mapped."""
    assert len(ACTIVITY_TYPES) == 20
    assert {site.activity_type for site in bundled.sites.values()} <= set(ACTIVITY_TYPES)


def test_missing_tables_are_named(tmp_path: Path):
    """A folder without OULAD's tables is refused with the names of the files it should hold."""
    with pytest.raises(ProblemError, match=r"vle\.csv"):
        oulad.read(tmp_path)


@pytest.mark.parametrize("header", ["a,b,c,d,e,f", "code_module,code_presentation,id_student,id_site,sum_click,date"])
def test_foreign_columns_are_refused(tmp_path: Path, header: str):
    """A table with other columns is refused instead of misread."""
    (tmp_path / "vle.csv").write_text('"id_site","code_module","code_presentation","activity_type"\n')
    (tmp_path / "studentVle.csv").write_text(header + "\n")
    with pytest.raises(ProblemError, match=r"studentVle\.csv"):
        oulad.read(tmp_path)


def test_published_comma_separated_form(tmp_path: Path):
    """OULAD's own comma-separated, quoted files with site and student swapped read the same."""
    (tmp_path / "vle.csv").write_text(
        '"id_site","code_module","code_presentation","activity_type","week_from","week_to"\n"7","AAA","2013J","quiz","",""\n'
    )
    (tmp_path / "studentVle.csv").write_text(
        '"code_module","code_presentation","id_site","id_student","date","sum_click"\n"AAA","2013J","7","11","-3","5"\n'
    )
    clicks = oulad.read(tmp_path).clicks
    assert [int(column[0]) for column in (clicks.student, clicks.site, clicks.day, clicks.clicks)] == [11, 7, -3, 5]
