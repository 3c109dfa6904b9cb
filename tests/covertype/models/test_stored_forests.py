"""Stored forests answer as scikit-learn does; crafted ones are refused before they are walked."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree._tree import NODE_DTYPE

from covertype.contract import CLASSES, FEATURE_NAMES, TARGET
from covertype.models.artifact import class_probabilities
from covertype.models.stored_forests import StoredForest
from covertype.models.stored_trees import NODE
from covertype.training.encoding import one_hot_encoder, tree_encoder

Change = Callable[[npt.NDArray[Any], npt.NDArray[Any]], Any]
COMPRESSIONS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


@pytest.fixture(scope="module")
def observations(real_rows: pd.DataFrame) -> pd.DataFrame:
    return real_rows[list(FEATURE_NAMES)]


@pytest.fixture(scope="module")
def classes(real_rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    return real_rows[TARGET.name].to_numpy(np.int64)


@pytest.fixture(scope="module")
def model(observations: pd.DataFrame, classes: npt.NDArray[np.int64]) -> Pipeline:
    forest = RandomForestClassifier(5, bootstrap=False, random_state=0)
    return Pipeline([("encoder", tree_encoder()), ("classifier", forest)]).fit(
        observations, classes
    )


@pytest.fixture
def archive(model: Pipeline, tmp_path: Path) -> Path:
    skops.io.dump(model, tmp_path / "model.skops", compression=zipfile.ZIP_DEFLATED)
    return tmp_path / "model.skops"


def opened(path: Path) -> StoredForest:
    forest = StoredForest.open(path)
    assert forest is not None
    return forest


def rewritten(path: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None]) -> Path:
    """Change an archive's members and its schema."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    change(members, schema)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (members | {"schema.json": json.dumps(schema).encode()}).items():
            archive.writestr(name, content)
    return path


def first_tree(schema: dict[str, Any]) -> dict[str, Any]:
    classifier = schema["content"]["content"]["steps"]["content"][1]["content"][1]
    tree = classifier["content"]["content"]["estimators_"]["content"][0]
    state: dict[str, Any] = tree["content"]["content"]["tree_"]["content"]["content"]
    return state


def with_first_tree(path: Path, change: Change) -> Path:
    """Change the nodes and values of an archive's first tree, in place or by a new pair."""

    def craft(members: dict[str, bytes], schema: dict[str, Any]) -> None:
        names = [first_tree(schema)[key]["file"] for key in ("nodes", "values")]
        arrays = [np.load(io.BytesIO(members[name])) for name in names]
        for name, array in zip(names, change(*arrays) or arrays, strict=True):
            content = io.BytesIO()
            np.save(content, array)
            members[name] = content.getvalue()

    return rewritten(path, craft)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("encoder", [tree_encoder, one_hot_encoder])
@pytest.mark.parametrize(
    "classifier",
    [
        RandomForestClassifier(5, bootstrap=False, random_state=0),
        RandomForestClassifier(5, max_depth=6, random_state=0),
        ExtraTreesClassifier(5, random_state=0),
    ],
)
def test_a_stored_forest_answers_as_the_logged_pipeline_to_the_last_bit(
    observations: pd.DataFrame,
    classes: npt.NDArray[np.int64],
    tmp_path: Path,
    encoder: Callable[[], ColumnTransformer],
    classifier: Any,
    compression: int,
) -> None:
    model = Pipeline([("encoder", encoder()), ("classifier", classifier)])
    model.fit(observations[::2], classes[::2])
    skops.io.dump(model, tmp_path / "model.skops", compression=compression)
    answered = opened(tmp_path / "model.skops").probabilities_of(observations)
    assert np.array_equal(answered, class_probabilities(model, observations))


def test_a_class_that_was_never_seen_has_no_probability(
    model: Pipeline, observations: pd.DataFrame, classes: npt.NDArray[np.int64], tmp_path: Path
) -> None:
    seen = ~np.isin(classes, [1, 3])
    other = pickle.loads(pickle.dumps(model)).fit(observations[seen], classes[seen])
    skops.io.dump(other, tmp_path / "model.skops")
    forest = opened(tmp_path / "model.skops")
    answered = forest.probabilities_of(observations)
    assert answered.shape == (len(observations), len(CLASSES))
    assert not answered[:, [1, 3]].any()
    assert np.array_equal(answered, class_probabilities(other, observations))


def test_trees_come_one_by_one_as_they_were_fitted(model: Pipeline, archive: Path) -> None:
    forest = opened(archive)
    assert forest.classes.tolist() == model.classes_.tolist()
    assert forest.width == model[-1].n_features_in_
    fitted = [estimator.tree_ for estimator in model[-1].estimators_]
    assert forest.node_counts == [tree.node_count for tree in fitted]
    for stored, tree in zip(forest.trees(), fitted, strict=True):
        assert np.array_equal(stored.left, tree.children_left)
        assert np.array_equal(stored.right, tree.children_right)
        assert np.array_equal(stored.feature, tree.feature)
        assert np.array_equal(stored.threshold, tree.threshold)
        assert np.array_equal(stored.values, tree.value)
        assert stored.depth == tree.max_depth


def test_nodes_are_read_as_scikit_learn_stores_them() -> None:
    assert NODE == NODE_DTYPE


def test_another_model_is_no_forest(
    observations: pd.DataFrame, classes: npt.NDArray[np.int64], tmp_path: Path
) -> None:
    classifier = LogisticRegression(max_iter=1)
    model = Pipeline([("encoder", one_hot_encoder()), ("classifier", classifier)])
    with pytest.warns(UserWarning, match="failed to converge"):
        model.fit(observations, classes)
    skops.io.dump(model, tmp_path / "model.skops")
    assert StoredForest.open(tmp_path / "model.skops") is None


def crafted(field: str, value: Any, place: int = 0) -> Change:
    """Return a change of one field of one node."""

    def change(nodes: npt.NDArray[Any], _: npt.NDArray[Any]) -> None:
        nodes[field][place] = value

    return change


def swapped(nodes: npt.NDArray[Any], _: npt.NDArray[Any]) -> None:
    """Make the root the child of another node: a walk with no end."""
    inner = np.flatnonzero(nodes["left_child"] > 0)[-1]
    nodes["left_child"][inner] = 0


def shared(nodes: npt.NDArray[Any], _: npt.NDArray[Any]) -> None:
    nodes["left_child"][0] = nodes["right_child"][0]


def with_value(value: float) -> Change:
    def change(_: npt.NDArray[Any], values: npt.NDArray[Any]) -> None:
        values[-1, 0, 0] = value

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (crafted("left_child", 10**9), "a child outside it"),
        (crafted("right_child", -(2**60)), "a child before its parent"),
        (crafted("left_child", -2), "a child before its parent"),
        (crafted("left_child", -1), "a node with one child"),
        (crafted("right_child", 0, place=-1), "a node with one child"),
        (swapped, "a child before its parent, so a walk might never end"),
        (shared, "a child outside it, or a node with two parents"),
        (crafted("feature", 10**9), "a column outside 0 to"),
        (crafted("feature", -2), "a column outside 0 to"),
        (crafted("threshold", float("nan")), "a threshold that is not finite"),
        (crafted("threshold", float("inf")), "a threshold that is not finite"),
        (with_value(float("nan")), "values that are not finite"),
        (with_value(float("inf")), "values that are not finite"),
        (lambda nodes, values: (nodes[:-1], values), "nodes of shape"),
        (lambda nodes, values: (nodes[None], values), "nodes of shape"),
        (lambda nodes, values: (nodes["threshold"], values), "has float64 nodes"),
        (lambda nodes, values: (nodes, values[:-1]), "values of shape"),
        (lambda nodes, values: (nodes, values[:, :, :3]), "values of shape"),
        (lambda nodes, values: (nodes, values.astype(np.float32)), "has float32 values"),
        (lambda nodes, values: (nodes, np.asfortranarray(values)), "stored by columns"),
    ],
)
def test_a_crafted_tree_is_refused(archive: Path, change: Change, sentence: str) -> None:
    forest = opened(with_first_tree(archive, change))
    with pytest.raises(ValueError, match=sentence):
        list(forest.trees())


def test_an_array_that_claims_more_than_it_holds_is_refused(archive: Path) -> None:
    claimed = 10**15

    def craft(members: dict[str, bytes], schema: dict[str, Any]) -> None:
        tree = first_tree(schema)
        tree["node_count"]["content"] = str(claimed)
        content = io.BytesIO()
        header = {
            "descr": np.lib.format.dtype_to_descr(NODE),
            "fortran_order": False,
            "shape": (claimed,),
        }
        np.lib.format.write_array_header_1_0(content, header)
        members[tree["nodes"]["file"]] = content.getvalue() + bytes(640)

    forest = opened(rewritten(archive, craft))
    with pytest.raises(ValueError, match="cannot reshape"):
        list(forest.trees())


def test_objects_in_an_array_are_refused(archive: Path) -> None:
    def craft(members: dict[str, bytes], schema: dict[str, Any]) -> None:
        content = io.BytesIO()
        np.save(content, np.array([{}], object), allow_pickle=True)
        members[first_tree(schema)["nodes"]["file"]] = content.getvalue()

    forest = opened(rewritten(archive, craft))
    with pytest.raises(ValueError, match="OBJECT"):
        list(forest.trees())


def test_a_member_larger_than_any_tree_is_not_read(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forest = opened(archive)
    monkeypatch.setattr("covertype.models.skops_archives._LARGEST_ARRAY", 1000)
    with pytest.raises(ValueError, match="at most 1000 are read"):
        list(forest.trees())


def test_a_member_is_read_no_further_than_the_size_it_claims(archive: Path) -> None:
    with zipfile.ZipFile(archive) as read:
        schema = json.loads(read.read("schema.json"))
        size = read.getinfo(first_tree(schema)["nodes"]["file"]).file_size
    content = archive.read_bytes()
    claimed = size.to_bytes(4, "little")
    archive.write_bytes(content.replace(claimed, (200).to_bytes(4, "little")))
    with pytest.raises(ValueError, match=r"model\.skops is damaged"):
        list(opened(archive).trees())


@pytest.mark.parametrize("kept", [0, 100, 20_000, -1])
def test_a_truncated_archive_is_refused(archive: Path, kept: int) -> None:
    archive.write_bytes(archive.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"model\.skops is damaged"):
        StoredForest.open(archive)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_flipped_bytes_are_found(model: Pipeline, tmp_path: Path, compression: int) -> None:
    path = tmp_path / "model.skops"
    skops.io.dump(model, path, compression=compression)
    with zipfile.ZipFile(path) as archive:
        schema = json.loads(archive.read("schema.json"))
        member = archive.getinfo(first_tree(schema)["values"]["file"])
    content = bytearray(path.read_bytes())
    for place in range(member.header_offset + 400, member.header_offset + 420):
        content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.skops is damaged"):
        list(opened(path).trees())


def test_a_missing_member_is_refused(archive: Path) -> None:
    def craft(members: dict[str, bytes], schema: dict[str, Any]) -> None:
        del members[first_tree(schema)["values"]["file"]]

    forest = opened(rewritten(archive, craft))
    with pytest.raises(ValueError, match=r"model\.skops is damaged"):
        list(forest.trees())


@pytest.mark.parametrize(
    "schema", [{}, [], {"__class__": "Pipeline", "content": 3}, {"__class__": "Dummy"}]
)
def test_a_schema_that_describes_no_pipeline_is_refused(archive: Path, schema: Any) -> None:
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("schema.json", json.dumps(schema))
    with pytest.raises(ValueError, match=r"damaged|not a Pipeline"):
        StoredForest.open(archive)


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no model\.skops"):
        StoredForest.open(tmp_path / "model.skops")


@pytest.mark.parametrize("found", [[0, 0, 1], [2, 1, 0], [0, 7], [-1, 0], [0.5], [[0]], []])
def test_classes_that_are_none_of_the_contract_are_refused(archive: Path, found: list[Any]) -> None:
    def craft(members: dict[str, bytes], schema: dict[str, Any]) -> None:
        classifier = schema["content"]["content"]["steps"]["content"][1]["content"][1]
        content = io.BytesIO()
        np.save(content, np.array(found))
        members[classifier["content"]["content"]["classes_"]["file"]] = content.getvalue()

    with pytest.raises(ValueError, match="classes must"):
        StoredForest.open(rewritten(archive, craft))


@pytest.mark.parametrize(
    "encoder", [FunctionTransformer(Path), FunctionTransformer(np.log1p), "passthrough"]
)
def test_an_encoder_that_is_none_of_ours_is_refused(
    model: Pipeline, observations: pd.DataFrame, tmp_path: Path, encoder: Any
) -> None:
    other = Pipeline([("encoder", encoder), ("classifier", model[-1])])
    skops.io.dump(other, tmp_path / "model.skops")
    forest = opened(tmp_path / "model.skops")
    with pytest.raises(ValueError, match=r"untrusted type|columns"):
        forest.probabilities_of(observations[["Elevation", "Slope"]])
