"""Logged forests, read and asked tree by tree; only `load_pipeline` builds a whole forest.

A forest trained on all rows takes 660 MB as scikit-learn's objects, one tree takes 7 MB.

skops checks the types in an archive, not their contents, and scikit-learn does not check the
indexes in a tree: a crafted tree crashes it. This module checks every tree before walking it, and
makes only arrays from an archive's trees.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from covertype.contract import CLASSES

if TYPE_CHECKING:
    import pandas as pd

Probabilities = npt.NDArray[np.float64]

_KINDS = {"RandomForestClassifier", "ExtraTreesClassifier"}
_SCHEMA = "schema.json"
_LARGEST_SCHEMA = 2**25
_LARGEST_ARRAY = 2**28
"""In bytes. The largest possible tree has a leaf for each row; its nodes take 75 million."""

_ENCODED_AT_ONCE = 20_000
_NO_CHILD = -1

NODE = np.dtype(
    [
        ("left_child", np.int64),
        ("right_child", np.int64),
        ("feature", np.int64),
        ("threshold", np.float64),
        ("impurity", np.float64),
        ("n_node_samples", np.int64),
        ("weighted_n_node_samples", np.float64),
        ("missing_go_to_left", np.uint8),
    ],
    align=True,
)
"""A node as scikit-learn stores it."""


@dataclass(frozen=True)
class StoredTree:
    """One checked tree of n nodes: a walk stays inside it and ends after at most `depth` steps.

    `nodes` has the type `NODE` and shape (n,), `values` is float64 of shape (n, 1, classes).
    A child comes after its parent; a leaf's children are negative.
    """

    nodes: npt.NDArray[Any]
    values: npt.NDArray[np.float64]
    depth: int

    @property
    def left(self) -> npt.NDArray[np.int64]:
        """The index of the child for values up to the threshold, shape (n,)."""
        return self.nodes["left_child"]

    @property
    def right(self) -> npt.NDArray[np.int64]:
        """The index of the child for values above the threshold, shape (n,)."""
        return self.nodes["right_child"]

    @property
    def feature(self) -> npt.NDArray[np.int64]:
        """The column that a node tests, shape (n,)."""
        return self.nodes["feature"]

    @property
    def threshold(self) -> npt.NDArray[np.float64]:
        """The threshold of a node's test, shape (n,)."""
        return self.nodes["threshold"]

    def probabilities(self, encoded: npt.NDArray[np.float32]) -> Probabilities:
        """Return what scikit-learn's own tree answers, shape (n, classes)."""
        answered: Probabilities = self.as_scikit_learn(encoded.shape[1]).predict(encoded)
        return answered

    def as_scikit_learn(self, width: int) -> Any:
        """Return scikit-learn's own tree over `width` columns."""
        from sklearn.tree._tree import Tree

        classes = self.values.shape[2]
        tree = Tree(width, np.array([classes], np.intp), 1)
        tree.__setstate__(
            {
                "max_depth": self.depth,
                "node_count": len(self.nodes),
                "nodes": self.nodes,
                "values": self.values,
            }
        )
        return tree


@dataclass(frozen=True)
class StoredForest:
    """A random forest, or one of extremely randomized trees, in a skops archive.

    `classes` are the contract's classes that it was trained on, ascending; `width` is the number
    of encoded columns; `node_counts` has one number for each tree.
    """

    path: Path
    classes: npt.NDArray[np.int64]
    width: int
    node_counts: list[int]
    _members: list[tuple[str, str]]
    _encoder: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> "StoredForest | None":
        """Open an archive, compressed or not; None if its model is not a forest.

        Raises
        ------
        ValueError
            If there is no such file, or it is not an archive of a Pipeline.
        """
        if not path.exists():
            raise ValueError(f"{path.parent.name} holds no {path.name}")
        with _opened(path) as archive:
            schema = json.loads(_read(archive, _SCHEMA, _LARGEST_SCHEMA))
            if schema["__class__"] != "Pipeline":
                raise ValueError(f"{path.name} holds a {schema['__class__']}, not a Pipeline")
            steps = [step["content"][1] for step in _attributes(schema)["steps"]["content"]]
            classifier = steps[-1]
            if len(steps) != 2 or classifier["__class__"] not in _KINDS:
                return None
            fitted = _attributes(classifier)
            trees = [
                _attributes(tree)["tree_"]["content"]["content"]
                for tree in fitted["estimators_"]["content"]
            ]
            if not trees:
                raise ValueError("the forest has no tree")
            return cls(
                path,
                _checked_classes(_array(archive, fitted["classes_"]["file"])),
                _number(fitted["n_features_in_"]),
                [_number(tree["node_count"]) for tree in trees],
                [(tree["nodes"]["file"], tree["values"]["file"]) for tree in trees],
                steps[0] | {key: schema[key] for key in ("protocol", "_skops_version")},
            )

    def trees(self) -> Iterator[StoredTree]:
        """Yield the trees in the forest's order; each is read when it is needed.

        Raises
        ------
        ValueError
            If a tree is damaged, or a walk could leave it or never end.
        """
        with _opened(self.path) as archive:
            for number, (count, members) in enumerate(
                zip(self.node_counts, self._members, strict=True)
            ):
                nodes, values = (_array(archive, member) for member in members)
                try:
                    depth = _checked_depth(nodes, values, count, self.width, len(self.classes))
                except ValueError as error:
                    raise ValueError(f"tree {number} of the forest {error}") from None
                yield StoredTree(nodes, values, depth)

    def probabilities(self, encoded: npt.NDArray[np.float32]) -> Probabilities:
        """Return the mean of the trees' answers, shape (n, classes), for encoded rows.

        It equals scikit-learn's answer with `n_jobs=1` to the last bit: the order of the sum is the
        same.
        """
        if encoded.ndim != 2 or encoded.shape[1] != self.width:
            raise ValueError(f"the forest sees {self.width} columns, not shape {encoded.shape}")
        total = np.zeros((len(encoded), len(self.classes)))
        for tree in self.trees():
            total += tree.probabilities(encoded)
        total /= len(self.node_counts)
        return total

    def probabilities_of(self, observations: "pd.DataFrame") -> Probabilities:
        """Return the logged Pipeline's answers to observations with the contract's columns.

        The shape is (n, 7), with 0 for classes not in training. The memory in use is that of the
        encoded rows, the answers and one tree.

        Raises
        ------
        ValueError
            If the archive's encoder or a tree is damaged or not ours.
        """
        encoder = self.load_encoder()
        parts = [
            encoder.transform(observations[start : start + _ENCODED_AT_ONCE]).astype(np.float32)
            for start in range(0, len(observations), _ENCODED_AT_ONCE)
        ]
        probabilities = np.zeros((len(observations), len(CLASSES)))
        probabilities[:, self.classes] = self.probabilities(np.concatenate(parts))
        return probabilities

    def load_encoder(self) -> Any:
        """Load only the logged encoder.

        Raises
        ------
        ValueError
            If it is not one of ours.
        """
        from covertype.models.artifact import ENCODER_TYPES

        encoder = self._load(self._encoder, ENCODER_TYPES)
        if not hasattr(encoder, "transform"):
            raise ValueError(f"the encoder has an untrusted type: {type(encoder).__name__}")
        return encoder

    def load_pipeline(self) -> Any:
        """Load the whole logged Pipeline.

        skops needs three times the forest's memory to load it; this method assembles it from
        checked trees instead.

        Raises
        ------
        ValueError
            If the encoder or a tree is damaged or not ours.
        """
        from covertype.models.artifact import TRUSTED_TYPES

        with _opened(self.path) as archive:
            schema = json.loads(_read(archive, _SCHEMA, _LARGEST_SCHEMA))
        stored = _attributes(_classifier(schema))["estimators_"]["content"]
        states = [_attributes(estimator) for estimator in stored]
        # skops stores shared objects with the first tree, so that one is kept.
        del stored[1:]
        pipeline = self._load(schema, TRUSTED_TYPES)
        (first,) = pipeline[-1].estimators_
        estimators = []
        for state, tree in zip(states, self.trees(), strict=True):
            estimator = copy(first)
            estimator.random_state = json.loads(state["random_state"]["content"])
            estimator.tree_ = tree.as_scikit_learn(self.width)
            estimators.append(estimator)
        pipeline[-1].estimators_ = estimators
        return pipeline

    def _load(self, state: dict[str, Any], trusted: list[str]) -> Any:
        """Load one object of this archive, by copying its part into an archive of its own."""
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException

        part = io.BytesIO()
        with _opened(self.path) as archive, zipfile.ZipFile(part, "w") as alone:
            alone.writestr(_SCHEMA, json.dumps(state))
            for name in set(_files(state)):
                alone.writestr(name, _read(archive, name, _LARGEST_ARRAY))
        try:
            return skops.io.loads(part.getvalue(), trusted=trusted)
        except UntrustedTypesFoundException as error:
            raise ValueError(f"it holds an untrusted type: {error}") from None


def _classifier(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the last step of a stored Pipeline."""
    classifier: dict[str, Any] = _attributes(schema)["steps"]["content"][-1]["content"][1]
    return classifier


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; anything wrong in it raises ValueError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError),
        *(LookupError, TypeError, AttributeError, RuntimeError),
    ) as error:
        raise ValueError(f"{path.name} is damaged: {type(error).__name__} {error}") from error


def _read(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    member = archive.getinfo(name)
    if member.file_size > limit:
        raise ValueError(f"{name} claims {member.file_size} bytes; at most {limit} are read")
    with archive.open(member) as file:
        # Without a size, a member could grow past the size that it claims.
        return file.read(member.file_size)


def _array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    content = _read(archive, name, _LARGEST_ARRAY)
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{name} is not of NumPy's format 1.0")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if is_fortran:
        raise ValueError(f"{name} is stored by columns")
    # Uses only the bytes that are there, whatever shape the header claims.
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape)


def _attributes(state: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of an object that skops stored."""
    attributes: dict[str, Any] = state["content"]["content"]
    return attributes


def _number(state: dict[str, Any]) -> int:
    return int(json.loads(state["content"]))


def _files(state: Any) -> Iterator[str]:
    """Yield the archive members that a part of the schema refers to."""
    if isinstance(state, dict):
        if "file" in state:
            yield state["file"]
        for part in state.values():
            yield from _files(part)
    elif isinstance(state, list):
        for part in state:
            yield from _files(part)


def _checked_classes(classes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    known = np.arange(len(CLASSES))
    if classes.ndim != 1 or not len(classes) or not np.isin(classes, known).all():
        raise ValueError(f"the forest's classes must be among 0 to {known[-1]}, got {classes}")
    if (np.diff(classes) <= 0).any():
        raise ValueError(f"the forest's classes must ascend, got {classes}")
    return classes.astype(np.int64)


def _checked_depth(
    nodes: npt.NDArray[Any], values: npt.NDArray[Any], count: int, width: int, classes: int
) -> int:
    """Return a tree's depth.

    Raises
    ------
    ValueError
        If it is not a tree; the message continues a sentence that begins with the tree's name.
    """
    if nodes.dtype != NODE or nodes.shape != (count,) or not count:
        raise ValueError(f"has {nodes.dtype} nodes of shape {nodes.shape}, not {(count,)}")
    expected = (count, 1, classes)
    if values.dtype != np.float64 or values.shape != expected:
        raise ValueError(f"has {values.dtype} values of shape {values.shape}, not {expected}")
    if not np.isfinite(values).all():
        raise ValueError("has values that are not finite")
    left, right = nodes["left_child"], nodes["right_child"]
    inner = np.flatnonzero(left != _NO_CHILD)
    if (right[left == _NO_CHILD] != _NO_CHILD).any():
        raise ValueError("has a node with one child")
    children = np.concatenate([left[inner], right[inner]])
    if (children <= np.tile(inner, 2)).any():
        raise ValueError("has a child before its parent, so a walk might never end")
    if not np.array_equal(np.sort(children), np.arange(1, count)):
        raise ValueError("has a child outside it, or a node with two parents")
    asked = nodes["feature"][inner]
    if ((asked < 0) | (asked >= width)).any():
        raise ValueError(f"tests a column outside 0 to {width - 1}")
    if not np.isfinite(nodes["threshold"][inner]).all():
        raise ValueError("has a threshold that is not finite")
    depth, level = 0, np.zeros(1, np.int64)
    while len(level := level[left[level] != _NO_CHILD]):
        level = np.concatenate([left[level], right[level]])
        depth += 1
    return depth
