"""All webhooks of one service: starts and ends their threads as the file says.

dispatcher = Dispatcher(ledger, allowed, encode, watcher, failing_seconds_max=432_000)
dispatcher.start()
dispatcher.close()
"""

import logging
import ssl
from collections import OrderedDict
from threading import Event, Lock, Thread
from typing import Final

from tallystick.errors import TallystickError
from tallystick.ledger import Found, Ledger
from tallystick.tracing import Sink
from tallystick.webhooks.addresses import Allowed
from tallystick.webhooks.follower import Encode, Follower, Surroundings, Watcher
from tallystick.webhooks.patience import ATTEMPT_SECONDS_MAX
from tallystick.webhooks.progress import remove_progress
from tallystick.webhooks.store import Webhook, Webhooks

LOOK_SECONDS: Final = 0.5
"""How long a change of the file may go unnoticed."""
END_SECONDS_MAX: Final = 3.0
"""How long a thread may take to end: one that looks up a name cannot be broken off."""
KEPT_MAX: Final = 512
"""Newest entries that are kept decoded, for webhooks that follow at the same pace."""
KEPT_BYTES_MAX: Final = 8 << 10
"""Largest entry that is kept."""

_log = logging.getLogger(__name__)


class Recent:
    """Reads entries, and keeps the newest ones; for all threads."""

    def __init__(self, ledger: Ledger) -> None:
        """Keep nothing yet."""
        self._ledger = ledger
        self._kept: OrderedDict[int, Found] = OrderedDict()
        self._lock = Lock()

    def read(self, index: int) -> Found:
        """Return the entry at an index.

        Raises:
            DamagedError: The log is, there.
        """
        with self._lock:
            found = self._kept.get(index)
        if found is None:
            found = self._ledger.at(index)
            if len(found.statement.entry) <= KEPT_BYTES_MAX:
                with self._lock:
                    self._kept[index] = found
                    while len(self._kept) > KEPT_MAX:
                        self._kept.popitem(last=False)
        return found


class Dispatcher:
    """Delivers for all webhooks of a ledger; `followers` and `trouble` are for any thread.

    Attributes:
        followers: By id of the webhook.
        trouble: Why the file of webhooks cannot be read; empty if it can.
    """

    def __init__(  # noqa: PLR0913 - tests choose TLS and time
        self,
        ledger: Ledger,
        allowed: Allowed,
        encode: Encode,
        watcher: Watcher,
        *,
        failing_seconds_max: float,
        tls: ssl.SSLContext | None = None,
        attempt_seconds_max: float = ATTEMPT_SECONDS_MAX,
        spans: Sink | None = None,
    ) -> None:
        """Deliver nothing until `start`."""
        home = ledger.home
        self._store, self._folder = Webhooks(home.webhooks), home.webhook_progress
        self._around = Surroundings(
            ledger, self._folder, Recent(ledger).read, encode, watcher, failing_seconds_max, spans
        )
        self._sending = allowed, tls, attempt_seconds_max
        self.followers: dict[str, Follower] = {}
        self.trouble = ""
        self._threads: dict[str, Thread] = {}
        self._version: object = ()
        self._ended = Event()
        self._looking = Thread(target=self._run, name="tallystick-webhooks", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._looking.start()

    def close(self) -> None:
        """End; attempts that are being made are broken off, and made again another time."""
        self._ended.set()
        if self._looking.is_alive():
            self._looking.join(END_SECONDS_MAX)
        self._end(list(self.followers))

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._look()
            except (TallystickError, OSError) as error:
                if not self.trouble:
                    _log.error("webhooks cannot be read: %s", error)
                self.trouble = str(error)
            self._ended.wait(LOOK_SECONDS)

    def _look(self) -> None:
        """Start, change and end followers if the file is another one than before."""
        version = self._store.version
        if version == self._version:
            return
        webhooks = {one.id: one for one in self._store.all()}
        self._end([known for known in self.followers if known not in webhooks], forget=True)
        for webhook in webhooks.values():
            if webhook.id in self.followers:
                self.followers[webhook.id].change(webhook)
            else:
                self._begin(webhook)
        self._version, self.trouble = version, ""

    def _begin(self, webhook: Webhook) -> None:
        # Only where there is a webhook: the client takes a tenth of the service's start.
        from tallystick.webhooks.sending import Sender

        allowed, tls, seconds = self._sending
        follower = Follower(webhook, self._around, Sender(allowed, tls, seconds))
        thread = Thread(target=follower.run, name=f"tallystick-webhook-{webhook.id}", daemon=True)
        # A new dictionary: whoever counts the followers meanwhile has the old one.
        self.followers = {**self.followers, webhook.id: follower}
        self._threads[webhook.id] = thread
        thread.start()

    def _end(self, ids: list[str], *, forget: bool = False) -> None:
        for webhook_id in ids:
            self.followers[webhook_id].end()
        for webhook_id in ids:
            self._threads.pop(webhook_id).join(END_SECONDS_MAX)
            if forget:
                remove_progress(self._folder, webhook_id)
        self.followers = {k: v for k, v in self.followers.items() if k not in ids}
