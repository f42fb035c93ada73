"""The log against a plain list: appends, publications, crashes and proofs in any order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tallystick.merkle import leaf_hash, tree_root, verify_consistency, verify_inclusion
from tests.fault.ledger_on_disk import open_log
from tests.fault.simulated_disk import SimulatedDisk


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.disk = SimulatedDisk()
        self.log = open_log(self.disk)
        self.entries: list[bytes] = []
        self.roots = {0: tree_root(b"")}

    @rule(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=300))
    def append(self, sizes: list[int]) -> None:
        batch = [b"%d/%d" % (len(self.entries) + n, size) for n, size in enumerate(sizes)]
        snapshot = self.log.append(batch)
        self.entries += batch
        self.roots[len(self.entries)] = snapshot.checkpoint.root

    @rule()
    def publish(self) -> None:
        assert self.log.integrate() == len(self.entries)

    @rule(seed=st.none() | st.integers(0, 9))
    def crash(self, seed: int | None) -> None:
        self.disk = self.disk.crashed(seed)
        self.log = open_log(self.disk)

    @rule()
    def close_and_open(self) -> None:
        self.log.close()
        self.log = open_log(self.disk)

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def prove(self, data: st.DataObject) -> None:
        snapshot, size = self.log.snapshot, len(self.entries)
        index = data.draw(st.integers(0, size - 1))
        older = data.draw(st.sampled_from(sorted(self.roots)))
        leaf = leaf_hash(self.entries[index])
        path = snapshot.reader.inclusion_path(index)

        assert snapshot.reader.leaf(index) == leaf
        verify_inclusion(leaf, index, size, path, snapshot.checkpoint.root)
        if older:
            proof = snapshot.reader.consistency_path(older)
            verify_consistency(older, self.roots[older], size, snapshot.checkpoint.root, proof)

    @invariant()
    def holds_the_list(self) -> None:
        reader, size = self.log.snapshot.reader, len(self.entries)
        assert self.log.snapshot.checkpoint.size == size
        assert self.log.snapshot.checkpoint.root == tree_root([leaf_hash(e) for e in self.entries])
        for index in {0, size // 2, size - 1} - {-1}:
            if size:
                assert reader.entry(index) == self.entries[index]


TestLog = LogMachine.TestCase
TestLog.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
