"""The namespaces and tag names of the core protocols, in Clark notation ("{namespace}name") where they are tags."""

CLIENT = "jabber:client"
SERVER = "jabber:server"
COMPONENT = "jabber:component:accept"
STREAM = "http://etherx.jabber.org/streams"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SESSION = "urn:ietf:params:xml:ns:xmpp-session"
DELAY = "urn:xmpp:delay"
XML = "http://www.w3.org/XML/1998/namespace"

MESSAGE = "{jabber:client}message"
PRESENCE = "{jabber:client}presence"
IQ = "{jabber:client}iq"
ERROR = "{jabber:client}error"
BODY = "{jabber:client}body"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

STANZA_TAGS = frozenset({MESSAGE, PRESENCE, IQ})

# The values of XML Schema's boolean, as attributes and forms have them
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
