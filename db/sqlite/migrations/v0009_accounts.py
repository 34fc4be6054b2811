"""Accounts: an identity beside the name, which may be another's one day; and nothing is granted to those that are gone.

Others' roster items, requests and push registrations name an account only. When it is removed they are found by that,
and those of accounts that were removed before are undone here. An approval given in advance to a name that nobody has
had yet cannot be told from them, and is withdrawn too.
"""


def _is_gone(address: str) -> str:
    """Of a bare address of this server, as far as its domains can be seen from here: that there is no such account."""
    domain = f"substr({address}, instr({address}, '@') + 1)"
    return f"{address} NOT IN (SELECT jid FROM account) AND {domain} IN (SELECT domain FROM account)"


_IS_BOUND = f"{_is_gone('contact')} AND (subscription <> 'none' OR ask OR approved)"
_BARE_SERVICE = "substr(service, 1, instr(service || '/', '/') - 1)"

STATEMENTS = (
    "ALTER TABLE account ADD COLUMN identity TEXT NOT NULL DEFAULT ''",
    "UPDATE account SET identity = lower(hex(randomblob(8)))",
    "CREATE INDEX roster_item_by_contact ON roster_item (contact)",
    "CREATE INDEX subscription_request_by_sender ON subscription_request (sender)",
    "CREATE INDEX push_registration_by_service ON push_registration (service)",
    f"""UPDATE roster_version SET version = lower(hex(randomblob(8)))
        WHERE account IN (SELECT account FROM roster_item WHERE {_IS_BOUND})""",
    f"UPDATE roster_item SET subscription = 'none', ask = 0, approved = 0 WHERE {_IS_BOUND}",
    f"DELETE FROM subscription_request WHERE {_is_gone('sender')}",
    f"DELETE FROM push_registration WHERE {_is_gone(_BARE_SERVICE)} AND instr(service, '@') > 0",
)
