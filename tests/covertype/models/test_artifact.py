import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from covertype.models.artifact import MODEL_FILE, dump_model, load_model
from covertype.training.estimators import build
from covertype.training.fitting import TrainingSet, train
from covertype.training.searches import FOREST


def test_a_model_comes_back_as_it_was_written(tmp_path: Path, real_rows: pd.DataFrame) -> None:
    data = TrainingSet.from_rows(real_rows)
    model = train(build(FOREST, {"n_estimators": 3}), data).model
    dump_model(model, tmp_path / MODEL_FILE)
    loaded = load_model(tmp_path)
    before, after = (m.predict_proba(data.selection.observations) for m in (model, loaded))
    np.testing.assert_allclose(before, after, atol=1e-14)


def test_a_model_is_written_compressed(tmp_path: Path, real_rows: pd.DataFrame) -> None:
    model = train(build(FOREST, {"n_estimators": 10}), TrainingSet.from_rows(real_rows)).model
    dump_model(model, tmp_path / MODEL_FILE)
    assert (tmp_path / MODEL_FILE).stat().st_size < len(skops.io.dumps(model)) / 3


def test_nothing_that_was_in_memory_before_is_stored(
    tmp_path: Path, real_rows: pd.DataFrame
) -> None:
    """A node has 57 bytes of fields and 7 that nobody sets."""
    model = train(build(FOREST, {"n_estimators": 2}), TrainingSet.from_rows(real_rows)).model
    before = model.predict_proba(real_rows)
    for tree in model[-1].estimators_:
        nodes = tree.tree_.__getstate__()["nodes"]
        nodes.view("u1").reshape(len(nodes), 64)[:, 57:] = list(b"secret!")
    dump_model(model, tmp_path / MODEL_FILE)
    with zipfile.ZipFile(tmp_path / MODEL_FILE) as archive:
        assert not any(b"secret!" in archive.read(name) for name in archive.namelist())
    assert np.array_equal(model.predict_proba(real_rows), before)


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"cos\nsystem\n(S'touch /tmp/harm'\ntR.")
    with pytest.raises(ValueError, match="only skops models are loaded"):
        load_model(tmp_path)


@pytest.mark.parametrize("classifier", [DummyClassifier(), RandomForestClassifier(n_estimators=2)])
def test_a_type_that_is_not_ours_is_refused(tmp_path: Path, classifier: object) -> None:
    model = Pipeline([("encoder", FunctionTransformer(os.system)), ("classifier", classifier)])
    model[-1].fit([[0], [1]], [0, 1])
    skops.io.dump(model, tmp_path / MODEL_FILE)
    with pytest.raises(Exception, match=r"[Uu]ntrusted"):
        load_model(tmp_path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    skops.io.dump(Path("/etc"), tmp_path / MODEL_FILE)
    with pytest.raises(ValueError, match="PosixPath, not a Pipeline"):
        load_model(tmp_path)


def test_a_loaded_forest_is_the_one_that_was_written(
    tmp_path: Path, real_rows: pd.DataFrame
) -> None:
    data = TrainingSet.from_rows(real_rows)
    for parameters in (FOREST.candidates[0], {"n_estimators": 7, "bootstrap": False}):
        model = train(build(FOREST, parameters), data).model
        dump_model(model, tmp_path / MODEL_FILE)
        loaded = load_model(tmp_path)
        assert loaded[-1].get_params() == model[-1].get_params()
        for one, other in zip(loaded[-1].estimators_, model[-1].estimators_, strict=True):
            assert one.get_params() == other.get_params()
            assert np.array_equal(one.tree_.value, other.tree_.value)
            assert np.array_equal(one.tree_.threshold, other.tree_.threshold)
            assert one.tree_.max_depth == other.tree_.max_depth
        np.testing.assert_allclose(
            loaded[-1].feature_importances_, model[-1].feature_importances_, atol=1e-12
        )
        pickled = pickle.loads(pickle.dumps(loaded))
        answers = [m.predict(data.selection.observations) for m in (pickled, model)]
        assert np.array_equal(*answers)


def test_a_model_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    skops.io.dump(DummyClassifier(), tmp_path / MODEL_FILE)
    with pytest.raises(ValueError, match="DummyClassifier, not a Pipeline"):
        load_model(tmp_path)
