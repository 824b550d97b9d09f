"""The Merkle tree is that of RFC 6962, and a path proves one leaf in its place, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.core.merkle import LeafHashes, MerkleTree, root_of_path

# The test vectors of the certificate-transparency reference implementation.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference(size):
    tree = MerkleTree()
    for leaf in LEAVES[:size]:
        tree.add(leaf)
    assert tree.root() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size"), PATHS)
def test_paths_are_those_of_the_reference(index, size):
    path = LeafHashes(LEAVES[:size]).path(index)
    assert path == PATHS[index, size]
    assert root_of_path(LEAVES[index], index, size, path) == ROOTS[size - 1]


@given(st.integers(1, 70), st.data())
def test_a_path_proves_its_leaf_in_its_place_and_no_other(size, data):
    lines = [b"%d" % number for number in range(size)]
    tree = MerkleTree()
    for line in lines:
        tree.add(line)
    index = data.draw(st.integers(0, size - 1))
    path = LeafHashes(lines).path(index)
    assert root_of_path(lines[index], index, size, path) == tree.root()
    other = data.draw(st.integers(0, size - 1).filter(lambda other: other != index)) if size > 1 else size
    assert root_of_path(lines[index], other, size, path) != tree.root()
    assert root_of_path(b"x", index, size, path) != tree.root()
    assert root_of_path(lines[index], index, size, [*path, "00" * 32]) != tree.root()
    assert root_of_path(lines[index], -1, size, path) is None
    if path:
        assert root_of_path(lines[index], index, size, path[:-1]) != tree.root()
        assert root_of_path(lines[index], index, size, path[::-1] if path[::-1] != path else []) != tree.root()


@pytest.mark.parametrize("spelling", [str.upper, " {}".format, lambda text: f"{text[:2]} {text[2:]}", "{}00".format])
def test_a_hash_has_one_spelling(spelling):
    path = PATHS[5, 8]
    with pytest.raises(ValueError, match="not 64 small hex digits"):
        root_of_path(LEAVES[5], 5, 8, [spelling(path[0]), *path[1:]])


def test_a_node_does_not_pass_for_a_leaf():
    node = bytes.fromhex(PATHS[0, 8][0])
    assert root_of_path(node, 0, 4, PATHS[0, 8][1:]) != ROOTS[7]
