"""The largest of everything that comes from outside; each has a test on both sides.

Those that an operator may want to change are defaults of `tallystick.web.settings.Settings`.
"""

from typing import Final

from tallystick.statement import ENTRY_BYTES_MAX

BODY_BYTES_MAX: Final = 64 << 20
"""A body that is read as a whole: a batch of statements."""
ENTRY_BODY_BYTES_MAX: Final = ENTRY_BYTES_MAX + 4096
"""A body that is one signed statement; some slack lets the parser say what is too long."""
ENTRIES_MAX: Final = 10_000
"""Statements in one batch. A stream has no such limit."""
LINE_BYTES_MAX: Final = 8 << 20
"""One line of a stream."""
BUFFERED_BYTES_MAX: Final = 256 << 20
"""Bodies of all requests together that are held in memory."""
REQUESTS_MAX: Final = 256
"""Requests at the same time, those of the gateway included."""
REQUESTS_BURST: Final = 200
"""Of one caller at once, where `requests_per_second` is set."""

HEADER_BYTES_MAX: Final = 32 << 10
"""Request line and headers."""
HEADER_SECONDS_MAX: Final = 10.0
"""Until the headers of a request are complete."""
QUERY_FIELDS_MAX: Final = 32
"""Fields of a query string."""

BODY_PAUSE_SECONDS_MAX: Final = 10.0
"""Between two pieces of a body."""
BODY_SECONDS_MAX: Final = 300.0
"""Until a body is complete; in a stream, until its next line is."""
SEND_SECONDS_MAX: Final = 60.0
"""Until a client has taken a piece of its answer."""
KEEP_ALIVE_SECONDS_MAX: Final = 75
"""Until the next request of a connection begins."""
LINGER_BYTES_MAX: Final = 1 << 20
"""Of a body that was refused, read and thrown away so that the client sees the answer."""
LINGER_SECONDS_MAX: Final = 1.0
"""The same in time."""

SUBSCRIBERS_MAX: Final = 256
"""Streams of new statements at the same time; they do not count as requests."""
SUBSCRIBERS_PER_CALLER: Final = 64
"""Of these, of one caller from elsewhere."""
QUIET_SECONDS_MAX: Final = 15.0
"""In which a stream says nothing; then comes a comment, so that nobody takes it for dead."""
CHECKPOINT_SECONDS: Final = 1.0
"""Between two checkpoints of a stream."""
FEED_EVENTS_MAX: Final = 2048
"""Newest entries that are kept decoded for all subscribers; who is slower reads the log again."""
FEED_BYTES_MAX: Final = 8 << 20
"""The same in bytes of entries."""
STREAM_BYTES: Final = 64 << 10
"""Of a stream, sent at once."""
STUCK_SECONDS_MAX: Final = 2.0
"""At shutdown, until a client that takes nothing of its answer is cut off."""

REGISTER_SECONDS_MAX: Final = 10.0
"""Until `POST /entries` answers 303 instead of waiting for the receipt."""
RUNNING_MAX: Final = 1024
"""Registrations whose outcome `GET /entries/{id}` remembers after such an answer."""

SESSION_IDLE_SECONDS_MAX: Final = 1800
"""In which somebody who signed in does nothing; then they are signed out."""
SESSION_SECONDS_MAX: Final = 8 * 3600
"""Between two sign-ins of a person: a working day."""
SESSIONS_MAX: Final = 10_000
"""People signed in at the same time; of more, whoever did nothing for longest is signed out."""
SIGN_INS_MAX: Final = 10_000
"""Sign-ins that were begun and not ended; of more, the oldest has to begin anew."""
SIGN_IN_SECONDS_MAX: Final = 600
"""In which a person comes back from the provider."""
PROVIDER_WAITING_MAX: Final = 64
"""Requests that wait for the provider; more are told to come again."""

WEBHOOK_FAILING_SECONDS_MAX: Final = 5.0 * 86_400
"""In which the target of a webhook takes nothing; then it is paused, and somebody must look."""

DISK_FREE_BYTES_MIN: Final = 512 << 20
"""Free space that is left for what was taken already: journal and spool grow to 64 and 128 MiB."""
