"""What a gateway and whoever holds its port say to each other, so that another can follow it."""

import signal
from typing import Final

READY: Final = b"ready\n"
"""What a gateway that has inherited its socket writes into the pipe that it got with it."""
MAKE_ROOM: Final = signal.SIGUSR1
"""To a gateway: another one accepts from its socket now."""
