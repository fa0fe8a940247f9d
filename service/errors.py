"""Named errors. Each message says what was wrong, where, and what to do."""


class PostilError(Exception):
    """Base of every error that Postil raises on purpose."""


class NotFound(PostilError):
    """Nothing is stored under that name."""


class Conflict(PostilError):
    """What was asked contradicts what is stored."""


class Invalid(PostilError):
    """Input that cannot be used; `field` names the part at fault, where there is one."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Unauthorized(PostilError):
    """No token, or one that is not known."""


class Forbidden(PostilError):
    """The token is known and does not allow this."""


class LeaseLost(PostilError):
    """Another worker holds this job now: stop, and write nothing more."""


class FilesUnavailable(PostilError):
    """The object store that holds the files does not answer, or refuses us; worth another try later."""


class ScorerUnavailable(PostilError):
    """No `postil worker predict` answers now; worth another try later."""


class LabelStudioUnavailable(PostilError):
    """Label Studio did not answer, or answered with a server error: try again later."""


class LabelStudioRefused(PostilError):
    """Label Studio understood the request and said no: a token, a setting or a body is wrong."""
