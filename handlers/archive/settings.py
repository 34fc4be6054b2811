"""The settings of the archive."""

from dataclasses import dataclass

from xmpp.config.configuration import setting


@dataclass(frozen=True)
class ArchiveSettings:
    """The archive: what accounts have sent and received is there for all their devices."""

    # People expect to find again what was written years ago. A million messages is some ten years of much writing.
    max_days: int = setting(0, "How many days messages are kept; 0: as long as the account.", minimum=0, maximum=36_500)
    max_messages: int = setting(1_000_000, "How many messages are kept for one account, the newest; 0: all.",
                                minimum=0, maximum=1_000_000_000)  # fmt: skip
    # A million messages of usual length, and what few people write in their life
    max_bytes: int = setting(1 << 30, "How many bytes are kept for one account, the newest; 0: all.",
                             minimum=0, maximum=1 << 44)  # fmt: skip
    # Some 300,000 short messages, or three a second day and night; both sides keep each
    daily_bytes: int = setting(256 << 20, "How many bytes of messages that are archived one account may send in a day;"
                               " beyond, it is told so; 0: any number.", minimum=0, maximum=1 << 44)  # fmt: skip
    page_messages: int = setting(50, "How many messages a client gets at a time, if it asks for no other number.",
                                 minimum=1, maximum=1_000, at_most="max_page_messages")  # fmt: skip
    max_page_messages: int = setting(100, "The most messages that a client gets at a time.", minimum=1, maximum=1_000)
    max_listed: int = setting(1_000, "The most addresses in an account's lists of whose messages are archived.",
                              minimum=0, maximum=100_000)  # fmt: skip
