"""How many statements a vault asks SQLite to prepare: as many stay in memory."""

import re
from pathlib import Path

from tallystick.statement import commit
from tallystick.vault import Vault
from tests.conftest import Entropy

TOGETHER = 130


def test_statements_are_prepared_for_few_numbers_of_records(tmp_path: Path) -> None:
    vault, entropy, seen = Vault(tmp_path / "vault.sqlite", b"m" * 32), Entropy(), list[str]()
    vault._database.set_trace_callback(seen.append)
    ids: list[bytes] = []
    for count in range(1, TOGETHER):
        ids += [(len(ids) + n).to_bytes(32) for n in range(count)]
        vault.put([vault.seal(one, commit({"n": count}, entropy)) for one in ids[-count:]])

    inserts = {len(re.findall(r"\(", text)) for text in seen if "INTO content" in text}
    assert inserts == {1, 2, 4, 8, 16, 32, 64}
    assert vault.ids() == set(ids)
    vault.close()
