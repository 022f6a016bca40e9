"""Logs of every known layout are read alike, and what can't be read is said with its fix."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from personalize.bench.datasets import DatasetError, read


def test_plain_csv(tmp_path: Path) -> None:
    """Rows are sorted by (time, learner, item), items stand in order of their numbers, times in any known form."""
    (tmp_path / "log.csv").write_text("learner,item,at\nb,10,1970-01-01T00:00:02\na,9,1970-01-01T00:00:02Z\na,10,1\n")
    log = read(tmp_path)
    assert log.at_ms.tolist() == [1000, 2000, 2000]
    assert log.learner.tolist() == [0, 0, 1]
    assert log.item.tolist() == [1, 0, 1]
    assert log.positive.all()
    assert log.texts == ("", "")


def test_ratings_below_four_fifths_of_the_highest_are_not_positive(tmp_path: Path) -> None:
    """With stars, 4 and 5 of 5 are positive."""
    (tmp_path / "log.csv").write_text("learner,item,at,rating\na,1,1,5\na,2,2,4\na,3,3,3\n")
    assert read(tmp_path).positive.tolist() == [True, True, False]


def test_recbole_inter_with_texts(tmp_path: Path) -> None:
    """A .inter file names columns with types; the .item file gives texts, the title three times."""
    (tmp_path / "x.inter").write_text("user_id:token\titem_id:token\trating:float\ttimestamp:float\n7\t2\t5\t10\n")
    (tmp_path / "x.item").write_text(
        "item_id:token\tmovie_title:token_seq\tclass:token_seq\n2\tHeat\tCrime\n3\tUp\tFun\n"
    )
    log = read(tmp_path)
    assert log.at_ms.tolist() == [10_000]
    assert log.texts == ("Heat Heat Heat Crime", "Up Up Up Fun")


def test_movielens_ratings_csv(tmp_path: Path) -> None:
    """ratings.csv with movies.csv is read, other files beside it are left alone."""
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,5,4.0,100\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n5,Heat,Crime\n")
    (tmp_path / "links.csv").write_text("movieId,imdbId\n5,1\n")
    log = read(tmp_path)
    assert (log.items, log.learners, len(log)) == (1, 1, 1)
    assert log.texts == ("Heat Heat Heat Crime",)


def test_mars_layout_reads_the_implicit_rows(tmp_path: Path) -> None:
    """Of a MARS folder the implicit rows count, the explicit ones do not; the catalogue may be gzipped."""
    (tmp_path / "implicit_ratings_en.csv").write_text("item_id,user_id,created_at\n5,1,2020-01-01 00:00:00\n")
    (tmp_path / "explicit_ratings_en.csv").write_text("user_id,item_id,created_at,rating\n1,6,2020-01-01 00:00:00,9\n")
    (tmp_path / "users_en.csv").write_text("user_id,job\n1,N/A\n")
    (tmp_path / "items_en.csv.gz").write_bytes(gzip.compress(b"item_id,name,description\n4,A,b\n5,C,d\n"))
    log = read(tmp_path)
    assert (len(log), log.items) == (1, 2)
    assert log.texts == ("A A A b", "C C C d")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("learner,item\na,1\n", "no at; the file needs a column named one of at, timestamp"),
        ("learner,item,at\na,1,soon\n", "line 2: at 'soon' is neither Unix time nor an ISO 8601"),
        ("learner,item,at,rating\na,1,1,good\n", "line 2: rating 'good' is not a number"),
        ("learner,item,at\na,,1\n", "line 2: no item"),
        ("learner,item,at\n", "no rows below the header"),
        ("", "the file is empty"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, content: str, message: str) -> None:
    """The error names the file, the line and what is missing."""
    (tmp_path / "log.csv").write_text(content)
    with pytest.raises(DatasetError, match=r"log\.csv") as error:
        read(tmp_path)
    assert message in str(error.value)


def test_unknown_folders_are_refused(tmp_path: Path) -> None:
    """A missing folder, an empty one and one with two candidates say what is expected."""
    with pytest.raises(DatasetError, match="does not exist"):
        read(tmp_path / "absent")
    with pytest.raises(DatasetError, match="learner,item,at"):
        read(tmp_path)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("learner,item,at\n")
    with pytest.raises(DatasetError, match=r"a\.csv"):
        read(tmp_path)
