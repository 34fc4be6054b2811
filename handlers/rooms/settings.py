"""The settings of rooms."""

from dataclasses import dataclass

from xmpp.config.configuration import setting


@dataclass(frozen=True)
class RoomSettings:
    """Rooms: group chat at rooms.DOMAIN."""

    label: str = setting("rooms", "What comes before the domain in the address of the service. Rooms stay where they"
                         " were made, and nobody gets into them when it is changed.", restart=True)  # fmt: skip
    creators: str = setting("accounts", "Who may make rooms: `accounts` are those of the domain.",
                            choices=("nobody", "administrators", "accounts", "everybody"), by_domain=True)  # fmt: skip
    max_rooms: int = setting(500, "The most rooms that one account has made.", minimum=1, maximum=1_000_000)
    max_occupants: int = setting(5_000, "The most occupants of one room, but for its owners and admins.",
                                 minimum=1, maximum=100_000)  # fmt: skip
    max_affiliations: int = setting(10_000, "The most people that are something in one room: members, owners, those "
                                    "who are banned.", minimum=10, maximum=1_000_000)  # fmt: skip
    max_affiliation_characters: int = setting(1_000_000, "The most characters that are kept of these in one room: "
                                              "addresses, nicks, and why they are banned.",
                                              minimum=1_000, maximum=1_000_000_000)  # fmt: skip
    max_affiliation_changes: int = setting(500, "How many changes of who is something in a room are kept, for clients "
                                           "that know who was it before.", minimum=10, maximum=100_000)  # fmt: skip
    max_rooms_entered: int = setting(400, "The most rooms that one session is in.", minimum=1, maximum=100_000,
                                     at_most="presence.max_directed")  # fmt: skip
    max_nick_characters: int = setting(100, "The longest nick.", minimum=1, maximum=1_023)
    max_subject_bytes: int = setting(2_000, "The longest subject.", minimum=100, maximum=100_000)
    max_history_bytes: int = setting(524_288, "How much is kept in memory of what was said last in a "
                                     "room that somebody is in, for those who enter.",
                                     minimum=10_000, maximum=1_000_000_000)  # fmt: skip
    max_presence_bytes: int = setting(4_096, "The longest presence of an occupant.", minimum=500, maximum=65_536)
    max_vcard_bytes: int = setting(262_144, "The longest vCard of a room, with its avatar.", minimum=1_000,
                                   maximum=10_000_000, at_most="streams.stanza_bytes")  # fmt: skip
    avatar_in_presence: bool = setting(False, "Whether who enters a room is sent presence of the room itself, with "
                                       "the hash of its avatar. Some older clients wait for that, and others take it "
                                       "for somebody without a nick.")  # fmt: skip
    max_hats: int = setting(50, "The most hats that there are in one room.", minimum=1, maximum=1_000)
    max_hats_worn: int = setting(10, "The most hats that one person wears in one room: they are in its presence.",
                                 minimum=1, maximum=100)  # fmt: skip
    max_hats_given: int = setting(1_000, "The most hats that all people together wear in one room.",
                                  minimum=1, maximum=2_000)  # fmt: skip
    messages_per_minute: int = setting(600, "How many messages one account may send in one room, to all or to one.",
                                       minimum=1, maximum=1_000_000)  # fmt: skip
    presences_per_minute: int = setting(120, "How often one account may change its presence in one room.",
                                        minimum=1, maximum=1_000_000)  # fmt: skip
    nick_changes_per_minute: int = setting(30, "How often one account may change its nick in one room.",
                                           minimum=1, maximum=1_000_000)  # fmt: skip
    enterings_per_minute: int = setting(120, "How often one account may enter one room.", minimum=1, maximum=1_000_000)
    enterings_per_hour: int = setting(10_000, "How often one account may enter rooms.",
                                      minimum=1, maximum=10_000_000)  # fmt: skip
    told_bytes_per_minute: int = setting(600_000_000, "How many bytes may be sent to occupants of rooms because of "
                                         "one account: what it says, and that it comes and goes.",
                                         minimum=1_000_000, maximum=1_000_000_000_000)  # fmt: skip
    max_untold_bytes: int = setting(64 << 20, "How many bytes may wait in one room until it is the turn of those who "
                                    "are told; then nobody says more.", minimum=1 << 20, maximum=1 << 40)  # fmt: skip
    max_untold_copies: int = setting(2_000_000, "How many copies of what is said may wait in one room: to send so many "
                                     "takes about ten seconds. One of a message that is longer than 4096 bytes counts "
                                     "as several. Then nobody says more.", minimum=10_000, maximum=1 << 40)  # fmt: skip
    strangers_written_to_per_hour: int = setting(30, "How many people one account may write to in private in rooms who "
                                                 "have not written to it; for members of the room ten times as many.",
                                                 minimum=1, maximum=100_000)  # fmt: skip
    invitations_per_hour: int = setting(200, "How many people who do not show it their presence one account may invite "
                                        "to rooms.",
                                        minimum=1, maximum=100_000)  # fmt: skip
    rooms_made_per_day: int = setting(1_000, "How many rooms one account may make, and destroy.",
                                      minimum=1, maximum=1_000_000)  # fmt: skip
    lock_seconds: int = setting(300, "How long the creator of a room may take to configure it.",
                                minimum=10, maximum=86_400)  # fmt: skip
    return_seconds: int = setting(600, "How long a room that does not stay without occupants waits for them after a "
                                  "restart.", minimum=1, maximum=86_400)  # fmt: skip
    tombstone_days: int = setting(31, "How long the name of a room that was destroyed stays taken.",
                                  minimum=0, maximum=3_650)  # fmt: skip
