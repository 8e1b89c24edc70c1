"""A replica as a process of its own, to be killed and stopped: `replica.py PORT`."""

import sys

import uvicorn

from tests.serving.gateway import peers

DRIP: list[bytes | float] = [peers.delta(content="x"), 0.02] * 10

if __name__ == "__main__":
    peer = peers.Peer([peers.streamed(peers.ROLE, *DRIP, peers.USAGE, peers.DONE)])
    uvicorn.run(peer, port=int(sys.argv[1]), log_config=None, ws="none", lifespan="off")
