"""Logged forests, read and asked tree by tree; only `load_pipeline` builds a whole forest.

A forest trained on all rows takes 570 MB as scikit-learn's objects, one tree takes 6 MB.

skops checks the types in an archive, not their contents. This module checks every tree before it
is walked.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from covertype.contract import CLASSES
from covertype.models.skops_archives import (
    SCHEMA,
    attributes,
    integer,
    member_names,
    opened,
    read_array,
    read_member,
    read_schema,
)
from covertype.models.stored_trees import Probabilities, StoredTree

if TYPE_CHECKING:
    import pandas as pd

_FOREST_CLASSES = {"RandomForestClassifier", "ExtraTreesClassifier"}
_CHUNK_ROWS = 20_000


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
    _tree_members: list[tuple[str, str]]
    _encoder_schema: dict[str, Any]

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
        with opened(path) as archive:
            schema = read_schema(archive)
            if schema["__class__"] != "Pipeline":
                raise ValueError(f"{path.name} holds a {schema['__class__']}, not a Pipeline")
            steps = [step["content"][1] for step in attributes(schema)["steps"]["content"]]
            classifier = steps[-1]
            if len(steps) != 2 or classifier["__class__"] not in _FOREST_CLASSES:
                return None
            fitted = attributes(classifier)
            trees = [
                attributes(tree)["tree_"]["content"]["content"]
                for tree in fitted["estimators_"]["content"]
            ]
            if not trees:
                raise ValueError("the forest has no tree")
            return cls(
                path,
                _checked_classes(read_array(archive, fitted["classes_"]["file"])),
                integer(fitted["n_features_in_"]),
                [integer(tree["node_count"]) for tree in trees],
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
        with opened(self.path) as archive:
            for number, (count, members) in enumerate(
                zip(self.node_counts, self._tree_members, strict=True)
            ):
                nodes, values = (read_array(archive, member) for member in members)
                try:
                    tree = StoredTree.check(nodes, values, count, self.width, len(self.classes))
                except ValueError as error:
                    raise ValueError(f"tree {number} of the forest {error}") from None
                yield tree

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
            encoder.transform(observations[start : start + _CHUNK_ROWS]).astype(np.float32)
            for start in range(0, len(observations), _CHUNK_ROWS)
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

        encoder = self._load(self._encoder_schema, ENCODER_TYPES)
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

        with opened(self.path) as archive:
            schema = read_schema(archive)
        stored = attributes(_classifier(schema))["estimators_"]["content"]
        states = [attributes(estimator) for estimator in stored]
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
        with opened(self.path) as archive, zipfile.ZipFile(part, "w") as alone:
            alone.writestr(SCHEMA, json.dumps(state))
            for name in set(member_names(state)):
                alone.writestr(name, read_member(archive, name))
        try:
            return skops.io.loads(part.getvalue(), trusted=trusted)
        except UntrustedTypesFoundException as error:
            raise ValueError(f"it holds an untrusted type: {error}") from None


def _classifier(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the last step of a stored Pipeline."""
    classifier: dict[str, Any] = attributes(schema)["steps"]["content"][-1]["content"][1]
    return classifier


def _checked_classes(classes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    known = np.arange(len(CLASSES))
    if classes.ndim != 1 or not len(classes) or not np.isin(classes, known).all():
        raise ValueError(f"the forest's classes must be among 0 to {known[-1]}, got {classes}")
    if (np.diff(classes) <= 0).any():
        raise ValueError(f"the forest's classes must ascend, got {classes}")
    return classes.astype(np.int64)
