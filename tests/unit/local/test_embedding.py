"""The pinned embedding model, with real weights (`make test` pulls them before the tests)."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from insideLLMs.core.errors import ModelUnavailableError
from insideLLMs.local import embedding, weights
from insideLLMs.local.embedding import Embedder, Tokens, embedding_model, load_embedder


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder()


def test_tokens_are_those_of_the_reference_implementation() -> None:
    """Ids as the package `tokenizers` 0.23.3 gives them for the same file, without special tokens."""
    found = weights.find("wordllama")
    assert found is not None
    tokens = Tokens.read(found[1])
    assert tokens.ids("Hello  world") == [15043, 29871, 3186]
    assert tokens.ids("naïve café 漢字 🎉") == [
        1055, 30085, 345, 274, 28059, 29871, 31652, 30578, 29871, 243, 162, 145, 140,
    ]  # fmt: skip
    assert tokens.ids("123,456.78 €") == [
        29871, 29896, 29906, 29941, 29892, 29946, 29945, 29953, 29889, 29955, 29947, 25540,
    ]  # fmt: skip
    assert tokens.ids("a\n\n  b") == [263, 13, 13, 29871, 289]


def test_closeness_follows_meaning_and_knows_no_order(embedder: Embedder) -> None:
    near = embedder.similarity("Sales went up in spring.", "In spring, sales increased.")
    far = embedder.similarity("Sales went up in spring.", "Please restart the router.")
    assert near > 0.7 > 0.3 > far
    assert embedder.similarity("the dog bit the man", "the man bit the dog") == 1.0


def test_it_is_symmetric_bounded_and_the_same_for_equal_texts(embedder: Embedder) -> None:
    texts = ["", " ", "yes", "no", "漢字", "a" * 30_000, "🎉" * 50, "The cat.", "<s> </s>"]
    for one in texts:
        for two in texts:
            assert -1.0 <= embedder.similarity(one, two) <= 1.0
            assert embedder.similarity(one, two) == embedder.similarity(two, one)
        assert embedder.similarity(one, one) == (1.0 if one.strip() else 0.0)


def test_a_new_process_comes_to_the_same_digits(embedder: Embedder) -> None:
    pair = ("The parcel came late.", "The package was delivered late, said the customer.")
    code = f"from insideLLMs.local.embedding import load_embedder as load; print(load().similarity(*{pair!r}))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(told.stdout) == embedder.similarity(*pair)


def test_missing_weights_name_the_command_that_fetches_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIDELLMS_CACHE", str(tmp_path))
    load_embedder.cache_clear()
    with pytest.raises(ModelUnavailableError, match="insidellms model pull wordllama"):
        load_embedder()


def test_a_missing_numpy_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "util", type("Util", (), {"find_spec": staticmethod(lambda name: None)}))
    load_embedder.cache_clear()
    with pytest.raises(ModelUnavailableError, match=r"insidellms\[semantic\]"):
        load_embedder()


def test_weights_that_were_tampered_with_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = weights.find("wordllama")
    assert found is not None
    monkeypatch.setenv("INSIDELLMS_CACHE", str(tmp_path))
    weights.cache_dir().mkdir(parents=True)
    for path in found:
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        (weights.cache_dir() / path.name).write_bytes(raw)
    load_embedder.cache_clear()
    with pytest.raises(ModelUnavailableError, match="does not have the expected sha256"):
        load_embedder()
    load_embedder.cache_clear()


def test_the_model_names_what_it_is_made_of() -> None:
    found = weights.find("wordllama")
    assert found is not None
    model = embedding_model()
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in found] == [
        model.weights_sha256,
        model.tokenizer_sha256,
    ]  # fmt: skip
