"""Does the bench read what it says and measure what it claims?"""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss as reference_log_loss
from sklearn.metrics import roc_auc_score

from models.learner.accuracy import area_under_curve, calibration_error, log_loss
from personalize.bench.attempt_files import AttemptFileError, read_attempts
from personalize.bench.learner import main, measure, work_of
from personalize.settings import Settings

HEADER = "user_id\titem_id\ttimestamp\tcorrect\tskill_id\n"
DATA = Settings.load().data / "kt"


def write(folder, name, text):
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return folder


def test_train_comes_first_and_keys_are_dense(tmp_path):
    """The training file's attempts stand first; ids are numbered as they appear; seconds become milliseconds."""
    write(tmp_path, "test.csv", "user_id,item_id,timestamp,correct,skill_id\n9,b,5,0,z\n")
    write(tmp_path, "train.tsv.gz", HEADER + "4\ta\t7\t1\tx\n4\tb\t8\t0\tz\n")
    log = read_attempts(tmp_path)
    assert (log.train, log.learners, log.items, log.skills) == (2, 2, 2, 2)
    assert log.attempts.learner.tolist() == [0, 0, 1]
    assert log.attempts.item.tolist() == [0, 1, 1]
    assert log.attempts.success.tolist() == [1, 0, 0]
    assert log.attempts.at_ms.tolist() == [7000, 8000, 5000]
    assert log.attempts.skills.tolist() == [0, 1, 1]


def test_rows_that_repeat_an_attempt_per_skill_are_one_attempt(tmp_path):
    """An attempt written once per skill is merged, so no row is predicted from its own outcome; repeats stay apart."""
    write(tmp_path, "all.tsv", HEADER + "1\ta\t7\t1\tx\n1\ta\t7\t1\ty\n1\ta\t7\t1\ty\n1\ta\t7\t0\tx\n")
    log = read_attempts(tmp_path)
    assert log.merged_rows == 1
    assert log.attempts.skill_start.tolist() == [0, 2, 3, 4]
    assert log.attempts.success.tolist() == [1, 1, 0]


def test_a_single_file_is_a_cold_start(tmp_path):
    """A folder with one table and no training file is measured from the first attempt on."""
    rows = "".join(f"{u}\t{i}\t{i}\t{(u + i) % 3 > 0:d}\t{i % 2}\n" for u in range(9) for i in range(9))
    log = read_attempts(write(tmp_path, "attempts.tsv", HEADER + rows))
    done = []
    figures = measure(log, done.append)
    assert log.train == 0
    assert figures["test_attempts"] == 81
    assert sum(done) == work_of(log)
    assert "validation_auc" not in figures


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds 0 tables"),
        ({"a.csv": "x", "b.csv": "x"}, "holds 2 tables"),
        ({"test.csv": "user_id,item_id\n1,2\n"}, "no column correct"),
        ({"test.csv": "item_id,correct\n1,2\n"}, "no column user_id"),
        ({"test.csv": "user_id,item_id,correct\n1,2\n"}, "line 2: 2 columns, the header has 3"),
        ({"test.csv": "user_id,item_id,correct\n1,2,maybe\n"}, "line 2: correct is 'maybe'"),
        ({"test.csv": "user_id,item_id,correct,timestamp\n1,2,1,soon\n"}, "line 2: time is 'soon'"),
        ({"test.csv": "user_id,item_id,correct\n", "test.tsv": HEADER}, "several test files"),
    ],
)
def test_unreadable_folders_say_what_to_fix(tmp_path, files, message):
    """Every reading error names the file, the line or column, and what was wanted."""
    for name, text in files.items():
        write(tmp_path, name, text)
    with pytest.raises(AttemptFileError, match=message):
        read_attempts(tmp_path)


def test_damaged_gzip_is_a_clear_error(tmp_path, capsys):
    """Bytes that are not gzip are named, and the command ends with status 2."""
    (tmp_path / "test.tsv.gz").write_bytes(b"not gzip")
    assert main(["--data", str(tmp_path)]) == 2
    assert "test.tsv.gz can't be read" in capsys.readouterr().err


def test_a_missing_folder_is_a_clear_error(tmp_path):
    """A path that is no folder is named."""
    with pytest.raises(AttemptFileError, match="is not a folder"):
        read_attempts(tmp_path / "nowhere")


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 19)), min_size=2, max_size=60))
def test_area_under_curve_and_log_loss_equal_the_library(rows):
    """Ranking and log loss equal scikit-learn's, ties included."""
    outcome = np.array([float(y) for y, _ in rows])
    probability = np.array([p / 20 for _, p in rows])
    if 0 < outcome.sum() < len(outcome):
        assert area_under_curve(outcome, probability) == pytest.approx(roc_auc_score(outcome, probability))
    else:
        assert np.isnan(area_under_curve(outcome, probability))
    assert log_loss(outcome, probability) == pytest.approx(reference_log_loss(outcome, probability, labels=[0.0, 1.0]))


def test_calibration_error_of_known_bins():
    """Ten predictions of .25 with one success and ten of .75 with nine are .15 off each."""
    probability = np.array([0.25] * 10 + [0.75] * 10)
    outcome = np.array([1.0] + [0.0] * 9 + [0.0] + [1.0] * 9)
    assert calibration_error(outcome, probability) == pytest.approx(0.15)
    assert calibration_error(outcome, np.where(outcome == 1, 1.0, 0.0)) == 0.0


@pytest.mark.data
@pytest.mark.parametrize(("name", "bar"), [("assistments09", 0.785), ("statics", 0.827)])
def test_accuracy_on_real_attempts(name, bar):
    """The model passes its bar on learners that it has never seen, frozen shared state included."""
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is not there; set PERSONALIZE_DATA")
    figures = measure(read_attempts(DATA / name))
    assert min(figures["auc"], figures["frozen_auc"], figures["delayed_auc"]) >= bar
    assert figures["calibration_error"] < 0.01
