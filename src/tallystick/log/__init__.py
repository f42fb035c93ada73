"""The log: append, sequence, integrate, publish; read, prove, check.

Start with `embedded` for the order in which things become durable, and `journal` for the shape of
what is written first.
"""

from tallystick.log.disk import Disk, PosixDisk
from tallystick.log.embedded import EmbeddedLog
from tallystick.log.fsck import Damage, Report, fsck
from tallystick.log.halfway import HalfwayStore
from tallystick.log.head import HeadStore, stored_head
from tallystick.log.leftovers import leftovers
from tallystick.log.lock import WriterLock, lock_holder
from tallystick.log.looking import LookingDisk
from tallystick.log.public import PublicLog
from tallystick.log.sequencer import Accepted, Admission, Existing, Outcome, Plan, Sequencer
from tallystick.log.snapshot import LogKey, Places, Snapshot
from tallystick.log.tiles import TileReader

__all__ = [
    "Accepted",
    "Admission",
    "Damage",
    "Disk",
    "EmbeddedLog",
    "Existing",
    "HalfwayStore",
    "HeadStore",
    "LogKey",
    "LookingDisk",
    "Outcome",
    "Places",
    "Plan",
    "PosixDisk",
    "PublicLog",
    "Report",
    "Sequencer",
    "Snapshot",
    "TileReader",
    "WriterLock",
    "fsck",
    "leftovers",
    "lock_holder",
    "stored_head",
]
