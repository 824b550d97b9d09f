"""The Merkle tree of RFC 6962 (2.1): leaves and nodes are hashed apart, so that no node passes for a leaf."""

import hashlib
from collections.abc import Iterable

EMPTY_ROOT = hashlib.sha256(b"").hexdigest()
_HASH_BYTES = hashlib.sha256().digest_size


def leaf_hash(line: bytes) -> bytes:
    """Return the hash of one leaf."""
    return hashlib.sha256(b"\x00" + line).digest()


def read_hash(text: str) -> bytes:
    """Return a hash from its one spelling, in small hex digits. Raises ValueError for anything else."""
    digest = bytes.fromhex(text)
    if len(digest) != _HASH_BYTES or digest.hex() != text:
        raise ValueError(f"{text[:80]!r} is not {2 * _HASH_BYTES} small hex digits")
    return digest


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """The tree hash of leaves, computed as they stream by in O(log n) memory."""

    def __init__(self) -> None:
        self._subtrees: list[tuple[int, bytes]] = []

    def add(self, line: bytes) -> bytes:
        """Add a line as the next leaf, and return its hash."""
        leaf = leaf_hash(line)
        self.add_hash(leaf)
        return leaf

    def add_hash(self, leaf: bytes) -> None:
        """Add the next leaf by its hash."""
        size, digest = 1, leaf
        while self._subtrees and self._subtrees[-1][0] == size:
            digest = _node_hash(self._subtrees.pop()[1], digest)
            size *= 2
        self._subtrees.append((size, digest))

    def root(self) -> str:
        """Return the hex root of what was added so far; of nothing it is the SHA-256 of no bytes."""
        if not self._subtrees:
            return EMPTY_ROOT
        digest = self._subtrees[-1][1]
        for _, left in reversed(self._subtrees[:-1]):
            digest = _node_hash(left, digest)
        return digest.hex()


class LeafHashes:
    """The hashes of all leaves, 32 bytes each, from which paths are taken."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._hashes = bytearray()
        for line in lines:
            self._hashes += leaf_hash(line)
        self.count = len(self._hashes) // _HASH_BYTES
        self._roots: dict[tuple[int, int], bytes] = {}

    def path(self, index: int) -> list[str]:
        """Return the hex audit path of a leaf, from its sibling to the root's child (RFC 6962, 2.1.1)."""
        path: list[str] = []
        start, end = 0, self.count
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._root(middle, end).hex())
                end = middle
            else:
                path.append(self._root(start, middle).hex())
                start = middle
        return path[::-1]

    def _root(self, start: int, end: int) -> bytes:
        """Return the hash of a subtree; paths of one tree share most of them."""
        known = self._roots.get((start, end))
        if known is None:
            tree = MerkleTree()
            for at in range(start, end):
                tree.add_hash(bytes(self._hashes[at * _HASH_BYTES : (at + 1) * _HASH_BYTES]))
            known = self._roots[start, end] = bytes.fromhex(tree.root())
        return known


def _split(size: int) -> int:
    """Return the largest power of two below `size`, which is 2 or more."""
    return 1 << (size - 1).bit_length() - 1


def root_of_path(line: bytes, index: int, size: int, path: Iterable[str]) -> str | None:
    """Return the hex root of the tree of `size` leaves in which `line` is leaf `index`; None where the path is not one.

    RFC 9162, 2.1.3.2. Raises ValueError for a path that is not of hashes.
    """
    if not 0 <= index < size:
        return None
    digest, place, last = leaf_hash(line), index, size - 1
    for step in path:
        sibling = read_hash(step)
        if last == 0:
            return None
        if place % 2 or place == last:
            digest = _node_hash(sibling, digest)
            while place and not place % 2:
                place, last = place >> 1, last >> 1
        else:
            digest = _node_hash(digest, sibling)
        place, last = place >> 1, last >> 1
    return digest.hex() if last == 0 else None
