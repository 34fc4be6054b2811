"""What people may do with invitations."""

from dataclasses import dataclass

from xmpp.config.configuration import setting

ADMINISTRATORS = "administrators"
EVERYBODY = "everybody"
DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class InvitationSettings:
    """Invitations: links with which people make an account here, also where [register] is off or not open, or become
    somebody's contacts (XEP-0379, XEP-0401, XEP-0445)."""

    contacts: str = setting(
        EVERYBODY,
        "Who may invite people to become contacts: whoever has such an invitation, and an account anywhere, is let in "
        "without asking.",
        choices=(ADMINISTRATORS, EVERYBODY),
        by_domain=True,
    )
    newcomers: str = setting(
        ADMINISTRATORS,
        "Who may invite people who have no account here to make one.",
        choices=(ADMINISTRATORS, EVERYBODY),
        by_domain=True,
    )
    days: int = setting(7, "How long an invitation holds, unless who makes it says otherwise.", minimum=1, maximum=365)
    reset_hours: int = setting(24, "How long a link holds by which a password is reset.", minimum=1, maximum=168)
    max_uses: int = setting(100, "How often one invitation can be used at most.", minimum=1, maximum=10_000)
    max_open_per_account: int = setting(
        20, "How many invitations of one account can be open, if it is no administrator's.", minimum=1, maximum=10_000
    )
    max_open: int = setting(
        1_000, "How many invitations can be open in all. Administrators can make as many again.",
        minimum=1, maximum=1_000_000,
    )  # fmt: skip
