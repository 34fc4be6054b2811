"""The elements of streams between servers, in Clark notation."""

from xmpp.data import names

FEATURES = f"{{{names.STREAM}}}features"
ERROR = f"{{{names.STREAM}}}error"

STARTTLS = f"{{{names.TLS}}}starttls"
PROCEED = f"{{{names.TLS}}}proceed"
TLS_FAILURE = f"{{{names.TLS}}}failure"

MECHANISMS = f"{{{names.SASL}}}mechanisms"
MECHANISM = f"{{{names.SASL}}}mechanism"
AUTH = f"{{{names.SASL}}}auth"
SUCCESS = f"{{{names.SASL}}}success"
FAILURE = f"{{{names.SASL}}}failure"

DIALBACK = "jabber:server:dialback"
RESULT = f"{{{DIALBACK}}}result"
VERIFY = f"{{{DIALBACK}}}verify"
DIALBACK_FEATURES = "urn:xmpp:features:dialback"
DIALBACK_FEATURE = f"{{{DIALBACK_FEATURES}}}dialback"
DIALBACK_ERRORS = f"{{{DIALBACK_FEATURES}}}errors"

BIDI_FEATURES = "urn:xmpp:features:bidi"
BIDI_FEATURE = f"{{{BIDI_FEATURES}}}bidi"
BIDI = "{urn:xmpp:bidi}bidi"

SM = "urn:xmpp:sm:3"
SM_FEATURE = f"{{{SM}}}sm"
ENABLE, ENABLED = f"{{{SM}}}enable", f"{{{SM}}}enabled"
SM_FAILED = f"{{{SM}}}failed"
REQUEST, ANSWER = f"{{{SM}}}r", f"{{{SM}}}a"

TAGS = names.STANZA_TAGS | {
    FEATURES, ERROR, STARTTLS, PROCEED, TLS_FAILURE, AUTH, SUCCESS, FAILURE, RESULT, VERIFY, BIDI, ENABLE, ENABLED,
    SM_FAILED, REQUEST, ANSWER,
}  # fmt: skip
"""What may stand at the top level of a stream between servers."""
