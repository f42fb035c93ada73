"""Entry points that read files: what somebody else could have written into a ledger's folder."""

import copy
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from tallystick.errors import (
    DamagedError,
    InputError,
    NotFoundError,
    RefusedError,
    SignatureError,
    UnavailableError,
    VersionError,
)
from tallystick.identity import KeyFile, generate, keyfile
from tallystick.ledger.creation import read_card
from tallystick.ledger.home import Home
from tallystick.ledger.index import Index, Property
from tallystick.ledger.postings import Postings, posting_key
from tallystick.log import PublicLog
from tallystick.log.bundle import encode_bundle
from tallystick.log.head import SLOT_BYTES, HeadStore, _encode
from tallystick.log.journal import Journal
from tallystick.vault import Vault
from tests.fault.ledger_on_disk import KEY, open_log
from tests.fault.simulated_disk import SimulatedDisk, _File
from tests.fuzz.target import Errors, Target

ENTRIES = [b"entry %d" % n for n in range(300)]
STORED: Errors = (DamagedError,)
SEGMENT = 16_384
ID = b"i" * 32
MASTER = b"m" * 32


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder for one call; in memory, where there is such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - a fresh folder in it
    path = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def written_log() -> SimulatedDisk:
    """Return a log of 300 entries, of which 260 are public."""
    disk = SimulatedDisk()
    log = open_log(disk)
    for first, last in ((0, 200), (200, 260)):
        log.append(ENTRIES[first:last])
        log.integrate()
    log.append(ENTRIES[260:])
    return disk


LOG = written_log()
FILES = sorted(LOG.files)


def with_file(name: str, data: bytes) -> SimulatedDisk:
    """Return the log with one file replaced."""
    disk = SimulatedDisk()
    disk.files = dict(LOG.files)
    if name == "/ledger/head" or "journal" in name:  # these are written into
        disk.files = copy.deepcopy(LOG.files)
    disk.files[name] = _File(bytearray(data), bytearray(data))
    return disk


def opened(disk: SimulatedDisk) -> None:
    """Open a log; if that succeeds, it holds what was acknowledged, and goes on."""
    log = open_log(disk)
    size = log.snapshot.checkpoint.size
    assert size >= 300, "acknowledged entries are gone, and nobody said so"
    assert log.append([b"next"]).checkpoint.size == size + 1
    log.integrate()


def any_file(data: bytes) -> None:
    """The first byte says which file the rest replaces."""
    name, data = FILES[data[0] % len(FILES)] if data else FILES[0], data[1:]
    disk = with_file(name, data)
    try:
        reader = PublicLog(Path("/ledger/log"), KEY.verifier, disk=disk).snapshot().reader
    except (InputError, SignatureError):
        assert name.endswith("checkpoint")
    else:
        for at in (0, 199, 255, 256, 259):
            try:
                reader.entry(at)
                reader.inclusion_path(at)
                reader.consistency_path(at + 1)
            except DamagedError:
                continue
    opened(disk)


def journal(data: bytes) -> None:
    """Whatever a segment holds, what is written after it is replayed."""
    disk = SimulatedDisk()
    disk.files["/j/0"] = _File(bytearray(data[:SEGMENT]), bytearray(data[:SEGMENT]))
    writer = Journal(disk, Path("/j"), os.urandom, SEGMENT)
    found = [(first, count) for first, count, _ in writer.replay(0)]
    number = found[-1][0] + found[-1][1] if found else 0
    if number < 2**63:
        writer.abandon()
        writer.append(number, 1, b"new")
        again = Journal(disk, Path("/j"), os.urandom, SEGMENT)
        assert [body for _, _, body in again.replay(number)] == [b"new"]


def forged_frames(data: bytes) -> None:
    """Frames with right digests and any content: what an insider could put into the journal."""
    disk = SimulatedDisk()
    open_log(disk).append([b"first"])
    segment = disk.files["/ledger/journal/0"].seen
    frame = data[1:1000]
    head = len(frame).to_bytes(4) + (data[0] if data else 1).to_bytes(4) + (1).to_bytes(8)
    at = 4096 + 48 + len(encode_bundle([b"first"]))
    chain = bytes(segment[4096 + 16 : 4096 + 48])
    segment[at : at + 48 + len(frame)] = head + sha256(chain + head + frame).digest() + frame
    open_log(disk)


def head(data: bytes) -> None:
    disk = SimulatedDisk()
    disk.files["/head"] = _File(bytearray(data), bytearray(data))
    store = HeadStore(disk, Path("/head"))
    if store._counter < 2**63:
        store.swap(store.note, b"next")
        assert HeadStore(disk, Path("/head")).note == b"next"


def forged_head(data: bytes) -> None:
    """A head store with right digests and any checkpoint."""
    slot = _encode(1 << 32, data[: SLOT_BYTES - 44]).ljust(SLOT_BYTES, b"\0")
    opened(with_file("/ledger/head", slot + bytes(SLOT_BYTES)))


def key_file(data: bytes) -> None:
    with folder() as path:
        (path / "k").write_bytes(data)
        keyfile._read(path / "k")


def opened_key_file(data: bytes) -> None:
    with folder() as path:
        (path / "k").write_bytes(data)
        keys = KeyFile(path / "k", b"p")
        for name in keys.names():
            for take in (keys.signer, keys.secret):
                try:
                    take(name)
                except NotFoundError:
                    continue


def card(data: bytes) -> None:
    with folder() as path:
        home = Home(path)
        home.data.mkdir()
        (home.data / "ledger.json").write_bytes(data)
        assert len(bytes.fromhex(read_card(home).genesis)) == 32


def vault_file(data: bytes) -> None:
    with folder() as path:
        (path / "v").write_bytes(data)
        vault = Vault(path / "v", MASTER)
        try:
            for at in range(3):
                try:
                    vault.row(ID, at)
                except NotFoundError:
                    continue
            list(vault.rows(ID))
            with suppress(NotFoundError):
                vault.get(ID)
        finally:
            vault.close()


def vault_record(data: bytes) -> None:
    """Content that decrypts and has another shape."""
    with folder() as path:
        vault = Vault(path / "v", MASTER)
        try:
            vault.put([vault.seal_encoded(ID, data)])
            vault.get(ID)
        finally:
            vault.close()


def postings(data: bytes) -> None:
    with folder() as path:
        (path / "0-4096.run").write_bytes(data)
        found = Postings(path, writable=False)
        try:
            for key in (posting_key("id", ID), bytes(8), b"\xff" * 8, data[:8].ljust(8)):
                for _ in zip(range(1000), found.find(key), strict=False):
                    pass
        finally:
            found.close()


def index(data: bytes) -> None:
    with folder() as path:
        (path / "postings").mkdir()
        (path / "index.sqlite").write_bytes(data)
        found = Index(path, ID, writable=False)
        try:
            list(found.find([Property("id", ID)], 10))
            list(found.in_time(0, None, 10))
            found.counted(("did:key:z", ID[:16], 0))
            found.last_epoch("did:key:z", ID[:16])
        finally:
            found.close()


def _written(name: str) -> bytes:
    with folder() as path:
        if name == "keys":
            keys = KeyFile(path / "k", b"p")
            keys.add_signer("a", generate())
            keys.add_secret("b")
            keys.save()
            return (path / "k").read_bytes()
        if name == "vault":
            vault = Vault(path / "v", MASTER)
            vault.put_rows(ID, bytes(64), [b"one", b"two"])
            vault._database.execute("PRAGMA journal_mode=delete")
            vault.close()
            return (path / "v").read_bytes()
        made = Index(path, ID, writable=True)
        made._database.execute("PRAGMA journal_mode=delete")
        made.close()
        return (path / "index.sqlite").read_bytes()


def _run_file() -> bytes:
    with folder() as path:
        made = Postings(path, writable=True)
        for at in range(600):
            made.add(at, [posting_key("id", ID), posting_key("n", b"%d" % at)])
        made.seal(600)
        made.close()
        return next(path.glob("*.run")).read_bytes()


def _segment() -> bytes:
    disk = SimulatedDisk()
    writer = Journal(disk, Path("/j"), bytes, SEGMENT)
    for n in range(5):
        writer.append(n, 1, encode_bundle([b"%d" % n]))
    return bytes(disk.files["/j/0"].seen)[:5000]


_CARD = b'{"origin":"localhost/x","checkpoint_key":"x","genesis":"' + b"ab" * 32 + b'","format":1}'
_NOTE = HeadStore(LOG, Path("/ledger/head")).note or b""
_ANY = tuple(bytes([n]) + bytes(LOG.files[name].seen)[:9000] for n, name in enumerate(FILES))

STORED_TARGETS = (
    Target("any-file", any_file, STORED, _ANY),
    Target("journal", journal, (), (_segment(), b"")),
    Target("forged-frames", forged_frames, STORED, (b"\x02" + encode_bundle([b"x", b"yy"]),)),
    Target("head", head, STORED, (bytes(LOG.files["/ledger/head"].seen), b"")),
    Target("forged-head", forged_head, STORED, (_NOTE,)),
    Target("key-file", key_file, (InputError,), (_written("keys"),)),
    Target("key-file-opened", opened_key_file, (InputError, RefusedError), (_written("keys"),),
           slow=True),
    Target("card", card, (InputError, DamagedError), (_CARD,)),
    Target("vault-file", vault_file, (DamagedError, UnavailableError, NotFoundError, VersionError),
           (_written("vault"),), slow=True),
    Target("vault-record", vault_record, (DamagedError,), (b"\x82\x40\xa0",), slow=True),
    Target("postings", postings, STORED, (_run_file(),)),
    Target("index", index, (DamagedError, UnavailableError), (_written("index"),), slow=True),
)  # fmt: skip
