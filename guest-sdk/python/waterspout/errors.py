"""How a handler ends otherwise than by its response."""


class HTTPError(Exception):
    """Ends the request with this status. The message, with its arguments, is for the log only."""

    def __init__(self, status_code=500, log_message=None, *args, reason=None):
        super().__init__(status_code, log_message, *args)
        self.status_code, self.log_message, self.args = status_code, log_message, args
        self.reason = reason

    def __str__(self):
        text = f"HTTP {self.status_code}"
        if self.reason is not None:
            text += f": {self.reason}"
        if self.log_message is None:
            return text
        message = self.log_message % self.args if self.args else self.log_message
        return f"{text} ({message})"


class MissingArgumentError(HTTPError):
    """A request without an argument that is needed."""

    def __init__(self, arg_name):
        super().__init__(400, "Missing argument %s" % arg_name)
        self.arg_name = arg_name


class Finish(Exception):
    """Ends the request with what was written so far."""
