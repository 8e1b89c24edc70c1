"""What a watch says in a silence, and when it says no more."""

import asyncio
import time
from typing import Any

from serving.gateway.asgi import Reply
from serving.gateway.watch import FIRST_LOOK_S, Watch


async def test_a_comment_that_was_called_for_is_not_sent_once_nothing_may_be_said() -> None:
    """It would be a 200, and it is not known any more whether there will be an answer."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    reply = Reply(send, "req-1", time.monotonic)
    async with Watch(reply, keep_alive_s=FIRST_LOOK_S / 2) as watch:
        watch.silence()
        time.sleep(2 * FIRST_LOOK_S)  # noqa: ASYNC251 the loop comes late to its timers
        for _ in range(2):  # it has called for the comment, which has not begun
            await asyncio.sleep(0)
        watch.hush()
        await asyncio.sleep(FIRST_LOOK_S)
    assert sent == []
