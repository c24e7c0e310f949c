"""A client's connection to `/live`, for the load."""

import asyncio
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

OPEN_LIMIT = 3
# What ends a connection, from the point of view of one who then goes to another node.
GONE = (OSError, TimeoutError, WebSocketException)


@asynccontextmanager
async def attached(address):
    """The socket of a connection whose session is open."""
    async with connect(
        f"ws://{address}/live", open_timeout=OPEN_LIMIT, close_timeout=0.1, ping_interval=None, compression=None,
        max_size=None, max_queue=None,
    ) as socket:  # fmt: skip
        await asyncio.wait_for(socket.recv(), OPEN_LIMIT)
        yield socket
