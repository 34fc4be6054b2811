"""Errors with the conditions of the protocol: raised anywhere, and sent in one place each.

StanzaError (RFC 6120 section 8.3) is sent to the sender of a stanza; StreamError (section 4.9) closes the stream;
SASLFailure (section 6.5) ends one attempt to log in.
"""

from lxml import etree

from xmpp.data import names

# RFC 6120 section 8.3.3: each condition with the error type that goes with it.
STANZA_CONDITIONS = {
    "bad-request": "modify",
    "conflict": "cancel",
    "feature-not-implemented": "cancel",
    "forbidden": "auth",
    "gone": "cancel",
    "internal-server-error": "cancel",
    "item-not-found": "cancel",
    "jid-malformed": "modify",
    "not-acceptable": "modify",
    "not-allowed": "cancel",
    "not-authorized": "auth",
    "policy-violation": "modify",
    "recipient-unavailable": "wait",
    "redirect": "modify",
    "registration-required": "auth",
    "remote-server-not-found": "cancel",
    "remote-server-timeout": "wait",
    "resource-constraint": "wait",
    "service-unavailable": "cancel",
    "subscription-required": "auth",
    "undefined-condition": "cancel",
    "unexpected-request": "wait",
}

# RFC 6120 section 4.9.3.
STREAM_CONDITIONS = frozenset(
    {
        "bad-format",
        "bad-namespace-prefix",
        "conflict",
        "connection-timeout",
        "host-gone",
        "host-unknown",
        "improper-addressing",
        "internal-server-error",
        "invalid-from",
        "invalid-namespace",
        "invalid-xml",
        "not-authorized",
        "not-well-formed",
        "policy-violation",
        "remote-connection-failed",
        "reset",
        "resource-constraint",
        "restricted-xml",
        "see-other-host",
        "system-shutdown",
        "undefined-condition",
        "unsupported-encoding",
        "unsupported-feature",
        "unsupported-stanza-type",
        "unsupported-version",
    }
)

# RFC 6120 section 6.5.
SASL_CONDITIONS = frozenset(
    {
        "aborted",
        "account-disabled",
        "credentials-expired",
        "encryption-required",
        "incorrect-encoding",
        "invalid-authzid",
        "invalid-mechanism",
        "malformed-request",
        "mechanism-too-weak",
        "not-authorized",
        "temporary-auth-failure",
    }
)


class StanzaError(Exception):
    """What the sender of a stanza is told (RFC 6120 section 8.3).

    `condition` is a key of STANZA_CONDITIONS; `type` overrides the error type that goes with it; `application` is
    the application-specific condition, an lxml element. `about` is an element to be sent before the error, for
    protocols that require it. `code` is the old number of an error (XEP-0086), for cases in which a client reads it.
    `by` is who has found the error, if that is not whom it comes from.
    `uri` is where what is `gone` can be found now (section 8.3.3.5).
    """

    def __init__(
        self,
        condition: str,
        text: str | None = None,
        *,
        type: str | None = None,
        application: etree._Element | None = None,
        about: etree._Element | None = None,
        code: str | None = None,
        uri: str | None = None,
    ) -> None:
        super().__init__(f"{condition}: {text}" if text else condition)
        self.condition = condition
        self.text = text
        self.type = type or STANZA_CONDITIONS[condition]
        self.application = application
        self.about = about
        self.code = code
        self.by: str | None = None
        self.uri = uri

    def element(self) -> etree._Element:
        """The <error/> child: condition, text, application element, in the order of section 8.3.2."""
        error = etree.Element(names.ERROR, type=self.type, nsmap={None: names.CLIENT})
        if self.code is not None:
            error.set("code", self.code)
        if self.by is not None:
            error.set("by", self.by)
        _add_condition(error, names.STANZA_ERRORS, self.condition, self.text)
        error[0].text = self.uri
        if self.application is not None:
            error.append(self.application)
        return error


def not_stored() -> StanzaError:
    """The error for a stanza that the storage could not store something for."""
    return StanzaError("resource-constraint", "the server cannot store this now")


class StreamError(Exception):
    """Why a stream is closed (RFC 6120 section 4.9).

    `condition` is one of STREAM_CONDITIONS; `application` is the application-specific condition, an lxml element.
    """

    def __init__(self, condition: str, text: str | None = None, *, application: etree._Element | None = None) -> None:
        assert condition in STREAM_CONDITIONS, condition
        super().__init__(f"{condition}: {text}" if text else condition)
        self.condition = condition
        self.text = text
        self.application = application

    def wire(self) -> bytes:
        """The <stream:error/> element as it is written inside an open stream."""
        error = etree.Element("error")
        _add_condition(error, names.STREAM_ERRORS, self.condition, self.text)
        if self.application is not None:
            error.append(self.application)
        inner = b"".join(etree.tostring(child, encoding="utf-8") for child in error)
        return b"<stream:error>" + inner + b"</stream:error>"


class SASLFailure(Exception):
    """Why an attempt to log in failed (RFC 6120 section 6.5); `condition` is one of SASL_CONDITIONS; `application` is
    the application-specific condition, an lxml element."""

    def __init__(self, condition: str, text: str | None = None, *, application: etree._Element | None = None) -> None:
        assert condition in SASL_CONDITIONS, condition
        super().__init__(f"{condition}: {text}" if text else condition)
        self.condition = condition
        self.text = text
        self.application = application

    def element(self, profile: str = names.SASL) -> etree._Element:
        """The <failure/> element, in the namespace of a profile of SASL; the condition is in that of RFC 6120 in all of
        them."""
        failure = etree.Element(f"{{{profile}}}failure", nsmap={None: profile})
        etree.SubElement(failure, f"{{{names.SASL}}}{self.condition}", nsmap={None: names.SASL})
        if self.application is not None:
            failure.append(self.application)
        _add_text(failure, profile, self.text)
        return failure


def _add_condition(parent: etree._Element, namespace: str, condition: str, text: str | None) -> None:
    etree.SubElement(parent, f"{{{namespace}}}{condition}", nsmap={None: namespace})
    _add_text(parent, namespace, text)


def _add_text(parent: etree._Element, namespace: str, text: str | None) -> None:
    if text:
        etree.SubElement(parent, f"{{{namespace}}}text", nsmap={None: namespace}).text = text
