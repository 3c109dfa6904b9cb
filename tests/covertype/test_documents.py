"""Documents are written once, whole, and read in the order of their names."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from covertype.documents import Documents
from covertype.storage.folder import Folder


def test_documents_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    documents = Documents(Folder(tmp_path / "made"))
    assert documents.read() == {}
    assert documents.add("000002", {"share": 0.5})
    assert documents.add("000001", ["Río"])
    assert list(documents.read().items()) == [("000001", ["Río"]), ("000002", {"share": 0.5})]
    assert documents.names() == ["000001", "000002"]


def test_an_existing_document_is_kept(tmp_path: Path) -> None:
    documents = Documents(Folder(tmp_path))
    assert documents.add("one", 1)
    assert not documents.add("one", 2)
    assert documents.read() == {"one": 1}


def test_of_many_writers_of_one_name_one_succeeds(tmp_path: Path) -> None:
    documents = Documents(Folder(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda number: documents.add("one", number), range(8)))
    assert added.count(True) == 1
    assert documents.read() == {"one": added.index(True)}


def test_a_document_that_is_not_json_leaves_nothing(tmp_path: Path) -> None:
    documents = Documents(Folder(tmp_path))
    with pytest.raises(ValueError, match="not JSON compliant"):
        documents.add("one", float("nan"))
    assert documents.read() == {}


@pytest.mark.parametrize("name", ["", ".hidden", "../outside", "a/b"])
def test_a_name_stays_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a document"):
        Documents(Folder(tmp_path)).add(name, 1)
