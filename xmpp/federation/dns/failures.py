"""Why a domain's servers could not be found or reached."""


class NoSuchServer(Exception):
    """No server is to be found for this domain, and none will be soon. The text says why, without its name."""


class Unreachable(Exception):
    """The domain's servers cannot be found or reached now. The text says why, without its name."""


class LookupFailed(Exception):
    """A question to DNS has no answer: that is not the answer that there is nothing. The text says why."""


class NoAnswer(LookupFailed):
    """A name server has not answered in time, or cannot be reached; it may the next time."""
