"""What a change of the settings ends: connections with servers that ours does not talk to any more."""

from typing import TYPE_CHECKING

from xmpp.data.errors import StreamError

if TYPE_CHECKING:
    from xmpp.federation.federation import Federation
    from xmpp.federation.settings import FederationSettings
    from xmpp.federation.stream import ServerStream


class Unwanted:
    """Connections that were wanted under other settings than those of now."""

    def __init__(self, settings: "FederationSettings") -> None:
        self._judged_by = settings

    def close(self, federation: "Federation") -> None:
        """Close them if the settings have changed since this was last called."""
        settings = federation.settings
        if settings is self._judged_by:
            return
        self._judged_by = settings
        for stream in federation.streams:
            for domain in _domains(stream):
                if not federation.may_talk_to(domain):
                    stream.close(StreamError("policy-violation", f"this server does not talk to {domain}"))
                    break


def _domains(stream: "ServerStream") -> set[str]:
    return {stream.theirs, *(pair.theirs for pairs in (stream.hears, stream.says) for pair in pairs)} - {""}
