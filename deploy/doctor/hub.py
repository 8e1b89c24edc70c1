"""Whether the hub that weights come from can be reached from here."""

import http.client
from contextlib import closing
from typing import Final
from urllib.parse import urlsplit

from deploy.doctor.finding import Finding, Verdict

ANSWER_WITHIN_S: Final = 5.0


def of_hub(address: str, models: tuple[str, ...]) -> Finding:
    """Any answer will do: what a token may see is found out by `bifocal weights pull`."""
    at = urlsplit(address)
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    connection = kind(at.hostname or "", at.port, timeout=ANSWER_WITHIN_S)
    wanted = f"{address}, for the weights of {', '.join(models)}"
    with closing(connection):
        try:
            connection.request("HEAD", at.path or "/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or error
            remedy = "name a mirror as weights.address, or bring them here: `bifocal weights pull`"
            return Finding("hub", Verdict.WARN, f"{wanted}: {why}", remedy)
    return Finding("hub", Verdict.OK, wanted)
