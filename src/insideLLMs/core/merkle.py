"""The Merkle tree of RFC 6962 (2.1): leaves and nodes are hashed apart, so that no node passes for a leaf."""

import hashlib

EMPTY_ROOT = hashlib.sha256(b"").hexdigest()


def leaf_hash(line: bytes) -> bytes:
    """Return the hash of one leaf."""
    return hashlib.sha256(b"\x00" + line).digest()


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
