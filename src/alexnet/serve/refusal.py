"""What a client may be told when there is no answer: a status, one line, and when to come again."""

from http import HTTPStatus

from starlette.responses import JSONResponse

from alexnet.errors import printable


class RefusalError(Exception):
    """A request that gets no answer. Raised anywhere below a route; becomes {"error": "..."}."""

    def __init__(self, status: HTTPStatus, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    def response(self) -> JSONResponse:
        """As every protocol here expects it."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return error(self.status, str(self), headers)


def bad(message: str) -> RefusalError:
    """For what is not as the protocol wants it."""
    return RefusalError(HTTPStatus.BAD_REQUEST, message)


def error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The one form of all errors, which is that of the Open Inference Protocol."""
    return JSONResponse({"error": printable(message)}, status, headers)
