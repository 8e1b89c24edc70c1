"""The signature that object stores ask for: AWS Signature Version 4, of a GET without a body.

Pure. Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from deploy.weights.settings import Bucket

_EMPTY: Final = hashlib.sha256(b"").hexdigest()


def signed(
    url: str, bucket: Bucket, now: datetime, more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The headers to send; none where there are no keys. `now` is UTC; the URL has no query."""
    if bucket.key_id is None or bucket.secret is None:
        return {}
    parts = urlsplit(url)
    headers = {
        "host": parts.netloc,
        "x-amz-content-sha256": _EMPTY,
        "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
        **({"x-amz-security-token": bucket.session} if bucket.session else {}),
        **(more or {}),
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"GET\n{parts.path or '/'}\n\n{lines}\n{names}\n{_EMPTY}"
    scope = f"{now:%Y%m%d}/{bucket.region}/s3/aws4_request"
    signature = _signature(request, scope, headers["x-amz-date"], bucket)
    credential = f"Credential={bucket.key_id}/{scope}"
    return {
        **{name: text for name, text in headers.items() if name != "host"},
        "authorization": (
            f"AWS4-HMAC-SHA256 {credential},SignedHeaders={names},Signature={signature}"
        ),
    }


def _signature(request: str, scope: str, moment: str, bucket: Bucket) -> str:
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{bucket.secret}".encode()
    for word in scope.split("/"):
        key = _mac(key, word)
    return _mac(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}").hex()


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
