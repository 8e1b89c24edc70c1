"""Whether one more request is taken now.

One rule so far: no more at once than the limit. Quotas by team are another room's, beside this.
"""

from serving.errors import TooManyRequests

RETRY_AFTER_S = 1
"""Places free up as answers end, which is a matter of moments."""


def refusal(in_flight: int, limit: int) -> TooManyRequests | None:
    """Why a request is not taken, or None."""
    if in_flight < limit:
        return None
    msg = f"{in_flight} requests are in flight, as many as are allowed; try again soon"
    return TooManyRequests(msg, retry_after_s=RETRY_AFTER_S)
