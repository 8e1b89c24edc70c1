"""Every error a client can meet, with the HTTP status and OpenAI's `type` and `code` for each.

    BifocalError
    ├── ClientError                     the request is wrong; sending it again will not help
    │   ├── MalformedRequest      400   not JSON, or not the shape that the endpoint takes
    │   ├── UnsupportedParameter  400   a field that is not supported, or is an operator's to set
    │   ├── LimitExceeded         400   more messages, choices, stops, tokens... than allowed
    │   ├── ContextOverflow       400   prompt and answer do not fit in the model's context
    │   ├── BadKey                401   no key, an unknown one, or one that has expired
    │   ├── NotAllowed            403   the key is good, and the right is not its own; or
    │   │                               there is none, and the host is not this machine
    │   ├── UnknownModel          404   names the models there are
    │   ├── UnknownPath           404
    │   ├── WrongMethod           405
    │   ├── RequestTimeout        408   the request came, or its answer was taken, too slowly
    │   ├── BodyTooLarge          413
    │   ├── UnsupportedMediaType  415   the body is not JSON by its own account, or is compressed
    │   └── HeadersTooLarge       431
    ├── CapacityError                   the request is fine; later it will do
    │   ├── TooManyRequests       429   more requests at once than the gateway takes
    │   ├── PoolDrained           503   an operator lets it take nothing new
    │   └── PoolLoading           503   with the seconds until it is expected to be ready
    ├── EngineError                     ours to mend
    │   ├── EngineUnavailable     503   no replica could be reached before the first byte
    │   ├── EngineFailed          502   the engine answered with a failure of its own
    │   ├── AnswerTimeout         504   no first byte, or no end, in the time allowed
    │   └── InternalError         500
    └── ClientGone                499   nobody is left to answer; only the record sees it

Before the first byte an error is a response; after it, an event in the stream.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from serving.values import Outcome


class BifocalError(Exception):
    """`message` is for the client and says what was wrong, where, and what to do."""

    status: ClassVar[int]
    type: ClassVar[str]
    code: ClassVar[str | None] = None
    outcome: ClassVar[Outcome]

    def __init__(
        self, message: str, *, param: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, Any]:
        """OpenAI's shape: `{"error": {message, type, param, code}}`."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }

    def headers(self) -> Mapping[str, str]:
        return {} if self.retry_after_s is None else {"retry-after": str(self.retry_after_s)}


class ClientError(BifocalError):
    status = 400
    type = "invalid_request_error"
    outcome = Outcome.CLIENT_ERROR


class MalformedRequest(ClientError):
    code = "malformed_request"


class UnsupportedParameter(ClientError):
    code = "unsupported_parameter"


class LimitExceeded(ClientError):
    code = "limit_exceeded"


class ContextOverflow(ClientError):
    code = "context_length_exceeded"


class BadKey(ClientError):
    status = 401
    type = "authentication_error"
    code = "invalid_api_key"

    def headers(self) -> Mapping[str, str]:
        return {"www-authenticate": "Bearer"}


class NotAllowed(ClientError):
    status = 403
    type = "permission_error"
    code = "not_allowed"


class UnknownModel(ClientError):
    status = 404
    code = "model_not_found"


class UnknownPath(ClientError):
    status = 404
    code = "unknown_path"


class WrongMethod(ClientError):
    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed

    def headers(self) -> Mapping[str, str]:
        return {"allow": self.allowed}


class BodyTooLarge(ClientError):
    status = 413
    code = "body_too_large"


class RequestTimeout(ClientError):
    status = 408
    code = "request_timeout"


class UnsupportedMediaType(ClientError):
    status = 415
    code = "unsupported_media_type"


class HeadersTooLarge(ClientError):
    status = 431
    code = "headers_too_large"


class CapacityError(BifocalError):
    status = 503
    type = "overloaded_error"
    outcome = Outcome.REJECTED


class TooManyRequests(CapacityError):
    status = 429
    type = "rate_limit_error"
    code = "too_many_requests"


class PoolDrained(CapacityError):
    code = "pool_drained"


class PoolLoading(CapacityError):
    code = "pool_loading"


class EngineError(BifocalError):
    status = 502
    type = "server_error"
    outcome = Outcome.ENGINE_ERROR


class EngineUnavailable(EngineError):
    status = 503
    code = "engine_unavailable"


class EngineFailed(EngineError):
    code = "engine_failed"


class AnswerTimeout(EngineError):
    status = 504
    code = "timeout"
    outcome = Outcome.TIMEOUT


class InternalError(EngineError):
    status = 500
    code = "internal_error"


class ClientGone(BifocalError):
    status = 499
    type = "client_closed_request"
    outcome = Outcome.ABORTED
