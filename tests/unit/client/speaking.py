"""One way to use both clients: a word of the one that blocks, or of the one that is awaited."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tallystick
from tallystick.client import AsyncClient, Client, Patience

SOON = Patience(answer_seconds_max=10, retry_seconds_max=5, quiet_seconds_max=5)
ONCE = Patience(answer_seconds_max=5, retry_seconds_max=0, quiet_seconds_max=5)


@dataclass(frozen=True)
class Speaker:
    """Says words to a service; what is given one by one comes as a list."""

    kind: str

    def say(self, url: str, word: str, *args: Any, **options: Any) -> Any:
        members: dict[str, Any] = {
            name: options.pop(name) for name in ("api_key", "trust", "tls") if name in options
        }
        members["patience"] = options.pop("patience", SOON)
        if self.kind == "sync":
            with tallystick.connect(url, **members) as client:
                return _listed(getattr(client, word)(*args, **options))
        return asyncio.run(_awaited(url, members, word, args, options))

    def talk(self, url: str, talk: Callable[[Callable[..., Any]], None], **members: Any) -> None:
        """Say several words over one client: `talk` is handed what says one."""
        members = {"patience": SOON, **members}
        if self.kind == "sync":
            with tallystick.connect(url, **members) as client:
                talk(lambda word, *args, **options: _said(client, word, args, options))
        else:
            with asyncio.Runner() as runner:
                other = tallystick.connect_async(url, **members)

                def say(word: str, *args: Any, **options: Any) -> Any:
                    return runner.run(_await_one(other, word, args, options))

                talk(say)
                runner.run(other.close())


def _said(client: Client, word: str, args: Any, options: Any) -> Any:
    return _listed(getattr(client, word)(*args, **options))


def _listed(answer: Any) -> Any:
    return list(answer) if isinstance(answer, Iterator) else answer


async def _awaited(url: str, members: Any, word: str, args: Any, options: Any) -> Any:
    async with tallystick.connect_async(url, **members) as client:
        return await _await_one(client, word, args, options)


async def _await_one(client: AsyncClient, word: str, args: Any, options: Any) -> Any:
    answer = getattr(client, word)(*args, **options)
    if isinstance(answer, AsyncIterator):
        return [one async for one in answer]
    return await answer
