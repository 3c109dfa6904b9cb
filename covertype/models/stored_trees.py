"""One tree of a logged forest, checked before it is walked.

scikit-learn does not check the indexes in a tree: a crafted tree crashes it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float64]

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
    A child comes after its parent; a leaf's children are -1.
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

    @classmethod
    def check(
        cls, nodes: npt.NDArray[Any], values: npt.NDArray[Any], count: int, width: int, classes: int
    ) -> "StoredTree":
        """Return the tree of these arrays.

        Parameters
        ----------
        nodes, values : ndarray
            As in this class.
        count, width, classes : int
            Number of nodes, of encoded columns and of classes that they must have.

        Raises
        ------
        ValueError
            If they are not such a tree; the message continues a sentence that begins with its name.
        """
        _check_arrays(nodes, values, count, classes)
        _check_nodes(nodes, width)
        return cls(nodes, values, _depth(nodes))

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


def _check_arrays(
    nodes: npt.NDArray[Any], values: npt.NDArray[Any], count: int, classes: int
) -> None:
    if nodes.dtype != NODE or nodes.shape != (count,) or not count:
        raise ValueError(f"has {nodes.dtype} nodes of shape {nodes.shape}, not {(count,)}")
    expected = (count, 1, classes)
    if values.dtype != np.float64 or values.shape != expected:
        raise ValueError(f"has {values.dtype} values of shape {values.shape}, not {expected}")
    if not np.isfinite(values).all():
        raise ValueError("has values that are not finite")


def _check_nodes(nodes: npt.NDArray[Any], width: int) -> None:
    left, right = nodes["left_child"], nodes["right_child"]
    inner = np.flatnonzero(left != _NO_CHILD)
    if (right[left == _NO_CHILD] != _NO_CHILD).any():
        raise ValueError("has a node with one child")
    children = np.concatenate([left[inner], right[inner]])
    if (children <= np.tile(inner, 2)).any():
        raise ValueError("has a child before its parent, so a walk might never end")
    if not np.array_equal(np.sort(children), np.arange(1, len(nodes))):
        raise ValueError("has a child outside it, or a node with two parents")
    asked = nodes["feature"][inner]
    if ((asked < 0) | (asked >= width)).any():
        raise ValueError(f"tests a column outside 0 to {width - 1}")
    if not np.isfinite(nodes["threshold"][inner]).all():
        raise ValueError("has a threshold that is not finite")


def _depth(nodes: npt.NDArray[Any]) -> int:
    left, right = nodes["left_child"], nodes["right_child"]
    depth, level = 0, np.zeros(1, np.int64)
    while len(level := level[left[level] != _NO_CHILD]):
        level = np.concatenate([left[level], right[level]])
        depth += 1
    return depth
