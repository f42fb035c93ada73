"""What a bundle shows of its content, and what it withholds."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from tallystick.verify import Member, Report


@dataclass(frozen=True, slots=True)
class Disclosed:
    """Content of one member of a bundle.

    Attributes:
        shown: Open fields.
        withheld: Names of fields that are committed to and not shown.
        supplied: Whether the bundle holds this content at all; True where there is none to hold.
        rows: Rows that are shown.
        rows_all: Rows of the batch; 0 where it is none.
    """

    shown: dict[str, Any]
    withheld: tuple[str, ...]
    supplied: bool
    rows: int
    rows_all: int

    def missing(self) -> Iterator[str]:
        """Yield lines about what is not shown, and how many rows are."""
        from tallystick.cli.printing import readable

        if not self.supplied:
            yield "  content not supplied"
        if self.withheld:
            yield f"  withheld       {readable(self.withheld)}"
        if self.rows_all:
            yield f"  rows           {self.rows} of {self.rows_all} shown"

    def summary(self) -> str:
        """Say in one line how much is shown."""
        from tallystick.cli.printing import readable

        count = len(self.shown) + len(self.withheld)
        parts = [f"{len(self.shown)} of {count} fields"] if count else []
        parts += [f"withheld: {readable(self.withheld)}"] if self.withheld else []
        parts += ["content not supplied"] if not self.supplied else []
        parts += [f"{self.rows} of {self.rows_all} rows"] if self.rows_all else []
        return ", ".join(parts) or "all of it is public"

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON gives it: bytes that are text as text, others as hex."""
        return {
            "content": {name: _plain(value) for name, value in self.shown.items()},
            "withheld": self.withheld,
            "supplied": self.supplied,
            "rows_shown": self.rows,
            "rows": self.rows_all,
        }


def content_of(member: "Member") -> Disclosed:
    """Return what a member shows. Nothing is verified here."""
    from tallystick.ledger import batch_of
    from tallystick.statement import parse_statement

    statement, content = parse_statement(member.entry), member.disclosure
    batch = batch_of(statement)
    shown = {name: one.value for name, one in content.shown.items()} if content else {}
    return Disclosed(
        shown=shown,
        withheld=tuple(name for name in content.digests if name not in shown) if content else (),
        supplied=content is not None or not statement.header.hashed,
        rows=len(member.rows),
        rows_all=batch.rows if batch is not None else 0,
    )


def contents_of(data: bytes) -> dict[bytes, Disclosed]:
    """Return what each member of a bundle shows, by statement id. Nothing is verified here."""
    from tallystick.statement import parse_statement
    from tallystick.verify import parse_bundle

    disclosed = {}
    for member in parse_bundle(data).members:
        with suppress(TallystickError):  # the report says what is wrong with this member
            disclosed[parse_statement(member.entry).id] = content_of(member)
    return disclosed


def sum_up(disclosed: Mapping[bytes, Disclosed], report: "Report") -> Iterator[tuple[str, str]]:
    """Yield what is shown: of the subject, and of the statements that it rests on."""
    subject = disclosed.get(report.subject)
    if subject is not None:
        yield "shown", subject.summary()
    others = {id_: one for id_, one in disclosed.items() if id_ != report.subject}
    fields = sum(len(one.withheld) for one in others.values())
    absent = sum(not one.supplied for one in others.values())
    rows, rows_all = (sum(getattr(o, n) for o in others.values()) for n in ("rows", "rows_all"))
    parts = [f"{fields} fields withheld"] if fields else []
    parts += [f"content of {absent} statements not supplied"] if absent else []
    parts += [f"{rows} of {rows_all} rows shown"] if rows_all else []
    if parts:
        yield "others", ", ".join(parts)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, dict):
        return {str(name): _plain(member) for name, member in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
