"""The Merkle tree against published roots and a naive recursive tree; leaves."""

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.log import EMPTY_ROOT, Tree, data_leaf, leaf_hash, node_hash, split_leaf, verify_consistency, verify_inclusion
from workshop.errors import Rejected

# The eight leaves of Certificate Transparency's own tests.
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
SIZES = 41
HASHES = [leaf_hash(str(i).encode()) for i in range(SIZES)]


def naive_root(hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(naive_root(hashes[:split]), naive_root(hashes[split:]))


def naive_path(index: int, hashes: list[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.1."""
    if len(hashes) == 1:
        return []
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    if index < split:
        return [*naive_path(index, hashes[:split]), naive_root(hashes[split:])]
    return [*naive_path(index - split, hashes[split:]), naive_root(hashes[:split])]


def naive_proof(old: int, hashes: list[bytes], whole: bool = True) -> list[bytes]:
    """RFC 6962, 2.1.2: SUBPROOF."""
    if old == len(hashes):
        return [] if whole else [naive_root(hashes)]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    if old <= split:
        return [*naive_proof(old, hashes[:split], whole), naive_root(hashes[split:])]
    return [*naive_proof(old - split, hashes[split:], False), naive_root(hashes[:split])]


@pytest.mark.parametrize("size", ROOTS)
def test_published_roots(size: int) -> None:
    tree = Tree(leaf_hash(leaf) for leaf in LEAVES)
    assert tree.root(size).hex() == ROOTS[size]
    assert naive_root([leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size]


def test_roots_of_every_size_whether_appended_or_extended() -> None:
    tree = Tree()
    for size in range(SIZES):
        assert tree.root() == naive_root(HASHES[:size])
        assert tree.append(HASHES[size]) == size
    for cut in range(SIZES):
        other = Tree(HASHES[:cut])
        other.extend(HASHES[cut:])
        assert [other.root(size) for size in range(SIZES + 1)] == [tree.root(size) for size in range(SIZES + 1)]


def test_inclusion_of_every_leaf_in_every_size() -> None:
    tree = Tree(HASHES)
    for size in range(1, SIZES + 1):
        root = tree.root(size)
        for index in range(size):
            proof = tree.inclusion_proof(index, size)
            assert proof == naive_path(index, HASHES[:size])
            assert verify_inclusion(index, size, HASHES[index], proof, root)
            assert not verify_inclusion(index, size, HASHES[(index + 1) % SIZES], proof, root)
            assert not verify_inclusion(index, size, HASHES[index], [*proof, root], root)
            assert not proof or not verify_inclusion(index, size, HASHES[index], proof[:-1], root)
            assert not verify_inclusion(index + size, size, HASHES[index], proof, root)


def test_consistency_of_every_pair_of_sizes() -> None:
    tree = Tree(HASHES)
    for new in range(SIZES + 1):
        for old in range(new + 1):
            proof = tree.consistency_proof(old, new)
            old_root, new_root = tree.root(old), tree.root(new)
            assert proof == (naive_proof(old, HASHES[:new]) if old else [])
            assert verify_consistency(old, new, old_root, new_root, proof)
            wrong = leaf_hash(b"another")
            assert not verify_consistency(old, new, wrong, new_root, proof)
            assert old == 0 or not verify_consistency(old, new, old_root, wrong, proof)
            assert not verify_consistency(old, new, old_root, new_root, [*proof, wrong])
            assert not proof or not verify_consistency(old, new, old_root, new_root, proof[:-1])
            assert old == new or not verify_consistency(new, old, new_root, old_root, proof)


def test_a_log_that_changed_a_leaf_has_no_consistency_proof() -> None:
    honest, forged = Tree(HASHES[:20]), Tree([*HASHES[:5], leaf_hash(b"forged"), *HASHES[6:30]])
    assert not verify_consistency(20, 30, honest.root(), forged.root(), forged.consistency_proof(20, 30))


def test_sizes_that_are_not_there_are_refused() -> None:
    tree = Tree(HASHES[:5])
    for call in (
        lambda: tree.root(6), lambda: tree.root(-1), lambda: tree.inclusion_proof(5, 5), lambda: tree.inclusion_proof(0, 6),
        lambda: tree.inclusion_proof(0, 0), lambda: tree.inclusion_proof(-1, 5), lambda: tree.consistency_proof(4, 3),
        lambda: tree.consistency_proof(1, 6), lambda: tree.append(b"short"), lambda: tree.extend([HASHES[0], b""]),
    ):
        with pytest.raises(Rejected):
            call()
    assert tree.size == 5 and tree.root() == naive_root(HASHES[:5])
    assert Tree().root() == EMPTY_ROOT


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3000), st.integers(0, 2**32))
def test_proofs_of_large_trees_verify(size: int, seed: int) -> None:
    lots = random.Random(seed)
    tree = Tree(leaf_hash(i.to_bytes(4, "big")) for i in range(size))
    index, old = lots.randrange(size), lots.randrange(size + 1)
    assert verify_inclusion(index, size, leaf_hash(index.to_bytes(4, "big")), tree.inclusion_proof(index, size), tree.root())
    assert verify_consistency(old, size, tree.root(old), tree.root(), tree.consistency_proof(old, size))
    assert len(tree.inclusion_proof(index, size)) <= size.bit_length()


@given(st.integers(0, 2**63), st.binary(max_size=100), st.binary(min_size=64, max_size=64))
def test_a_leaf_splits_into_what_it_was_made_of(accepted_us: int, header: bytes, signature: bytes) -> None:
    leaf = data_leaf(accepted_us, header, signature)
    assert split_leaf(leaf) == (accepted_us, header, signature)
    for spoiled in (leaf[:-1], leaf + b"\0", leaf[:11], b""):
        with pytest.raises(Rejected):
            split_leaf(spoiled)
