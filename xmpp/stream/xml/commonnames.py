"""Names that any client may use: they are known from the start, so they cost nobody's budget (see nameguard.py)."""

_ELEMENTS_AND_ATTRIBUTES = """
    stream stream:stream stream:error stream:features xml:lang xmlns xmlns:stream xmlns:xml version encoding
    message presence iq to from id type body subject thread parent show status priority error text by code

    starttls proceed required compress method auth mechanism response challenge success failure abort initial
    authenticate inline initial-response user-agent software device additional-data authorization-identifier continue
    next task parameters fast token count invalidate request-token expiry tls-0rtt isr-enable inst-resume with-isr-token
    key
    bind resource jid tag bound session optional upgrade salt iterations hash channel-binding

    query item group name subscription ask ver approved remove registered username password instructions email misc
    digest first last nick address city state zip phone url date x field value option title label var reported
    item-not-found bad-request conflict feature-not-implemented forbidden gone internal-server-error jid-malformed
    not-acceptable not-allowed not-authorized policy-violation recipient-unavailable redirect registration-required
    remote-server-not-found remote-server-timeout resource-constraint service-unavailable subscription-required
    undefined-condition unexpected-request

    enable enabled resume resumed previd location max r a h failed active inactive disable
    c node feature identity category features command action actions note execute
    request received sent private markable displayed acknowledged composing paused delay stamp
    origin-id stanza-id referenced-stanza replace reply fallback start end reference uri begin no-store no-copy
    no-permanent-store store reactions reaction retract apply-to fasten result fin complete set before after index
    forwarded encryption namespace openpgp encrypted header keys payload iv rid sid prekey kex data list devices bundle
    signedPreKeyPublic signedPreKeyId signedPreKeySignature identityKey prekeys preKeyPublic preKeyId spk spks ik pks pk
    pubsub publish items publish-options retract subscribe unsubscribe subscriptions affiliations affiliation create
    configure default delete purge event notify role reason actor invite decline history maxchars maxstanzas seconds
    since password destroy continue conference autojoin extensions storage metadata info bytes width height
    block unblock blocklist report ping time tzo utc utc-offset os vCard PHOTO TYPE BINVAL FN N GIVEN FAMILY MIDDLE
    PREFIX SUFFIX NICKNAME BDAY ADR TEL EMAIL ORG ORGNAME ORGUNIT TITLE ROLE URL DESC JABBERID USERID INTERNET HOME WORK
    VOICE NUMBER STREET LOCALITY REGION PCODE CTRY photo prefs always never slot put get filename size content-type
    file-sharing file media-type thumbnail sources url-data target html p span style br em strong href img src alt
    jingle initiator responder content creator senders description media transport candidate component foundation
    generation ip network port protocol rel-addr rel-port ufrag pwd fingerprint setup payload-type clockrate channels
    parameter rtcp-fb rtcp-mux rtp-hdrext source ssrc ssrc-group semantics propose accept reject ringing raw-file
    expected mechanism-data
"""

_NAMESPACES = """
    jabber:client http://etherx.jabber.org/streams http://www.w3.org/XML/1998/namespace
    urn:ietf:params:xml:ns:xmpp-tls urn:ietf:params:xml:ns:xmpp-sasl urn:ietf:params:xml:ns:xmpp-bind
    urn:ietf:params:xml:ns:xmpp-session urn:ietf:params:xml:ns:xmpp-stanzas urn:ietf:params:xml:ns:xmpp-streams
    urn:xmpp:sasl:2 urn:xmpp:sasl:upgrade:0 urn:xmpp:bind:0 urn:xmpp:fast:0 urn:xmpp:sasl-cb:0 urn:xmpp:stream-limits:0
    http://jabber.org/protocol/compress http://jabber.org/features/compress
    jabber:iq:roster jabber:iq:register jabber:iq:auth jabber:iq:private jabber:iq:version jabber:iq:last jabber:iq:time
    jabber:iq:gateway jabber:iq:search jabber:x:data jabber:x:oob jabber:x:delay jabber:x:conference jabber:x:encrypted
    jabber:x:signed jabber:x:event vcard-temp vcard-temp:x:update
    urn:ietf:params:xml:ns:vcard-4.0 urn:xmpp:vcard4
    http://jabber.org/protocol/disco#info http://jabber.org/protocol/disco#items http://jabber.org/protocol/caps
    http://jabber.org/protocol/commands http://jabber.org/protocol/muc http://jabber.org/protocol/muc#user
    http://jabber.org/protocol/muc#owner http://jabber.org/protocol/muc#admin http://jabber.org/protocol/muc#unique
    http://jabber.org/protocol/pubsub http://jabber.org/protocol/pubsub#event http://jabber.org/protocol/pubsub#owner
    http://jabber.org/protocol/pubsub#errors http://jabber.org/protocol/chatstates http://jabber.org/protocol/rsm
    http://jabber.org/protocol/nick http://jabber.org/protocol/mood http://jabber.org/protocol/activity
    http://jabber.org/protocol/tune http://jabber.org/protocol/geoloc http://jabber.org/protocol/xhtml-im
    http://jabber.org/protocol/address http://jabber.org/protocol/bytestreams http://jabber.org/protocol/ibb
    http://jabber.org/protocol/si http://jabber.org/protocol/feature-neg http://jabber.org/protocol/rosterx
    http://jabber.org/protocol/amp http://www.w3.org/1999/xhtml http://www.w3.org/2005/Atom
    urn:xmpp:ping urn:xmpp:time urn:xmpp:delay urn:xmpp:receipts urn:xmpp:chat-markers:0 urn:xmpp:carbons:2
    urn:xmpp:forward:0 urn:xmpp:mam:2 urn:xmpp:sid:0 urn:xmpp:hints urn:xmpp:csi:0 urn:xmpp:sm:3 urn:xmpp:sm:2
    urn:xmpp:blocking urn:xmpp:blocking:errors urn:xmpp:reporting:1 urn:xmpp:push:0 urn:xmpp:idle:1 urn:xmpp:attention:0
    urn:xmpp:message-correct:0 urn:xmpp:reply:0 urn:xmpp:fallback:0 urn:xmpp:reactions:0 urn:xmpp:reference:0
    urn:xmpp:message-retract:0 urn:xmpp:message-retract:1 urn:xmpp:fasten:0 urn:xmpp:eme:0 urn:xmpp:styling:0
    urn:xmpp:avatar:data urn:xmpp:avatar:metadata urn:xmpp:bookmarks:1 storage:bookmarks storage:metacontacts
    storage:rosternotes urn:xmpp:http:upload:0 urn:xmpp:omemo:1 urn:xmpp:omemo:2 eu.siacs.conversations.axolotl
    urn:xmpp:openpgp:0 urn:xmpp:sfs:0 urn:xmpp:file:metadata:0 urn:xmpp:thumbs:1 urn:xmpp:sims:1 urn:xmpp:bob
    urn:xmpp:hashes:2 urn:xmpp:jingle:1 urn:xmpp:jingle-message:0 urn:xmpp:jingle:errors:1 urn:xmpp:jingle:apps:rtp:1
    urn:xmpp:jingle:apps:rtp:audio urn:xmpp:jingle:apps:rtp:video urn:xmpp:jingle:apps:rtp:rtcp-fb:0
    urn:xmpp:jingle:apps:rtp:rtp-hdrext:0 urn:xmpp:jingle:apps:rtp:ssma:0 urn:xmpp:jingle:apps:dtls:0
    urn:xmpp:jingle:apps:grouping:0 urn:xmpp:jingle:apps:file-transfer:5 urn:xmpp:jingle:transports:ice-udp:1
    urn:xmpp:jingle:transports:s5b:1 urn:xmpp:jingle:transports:ibb:1 urn:xmpp:extdisco:2 urn:xmpp:invite
    urn:xmpp:ibr-token:0 urn:xmpp:pars:0 urn:xmpp:captcha urn:xmpp:mds:displayed:0 urn:xmpp:occupant-id:0
    urn:xmpp:spaces:0 urn:xmpp:raw-file urn:xmpp:stanza-content-encryption:0
"""

COMMON_NAMES = frozenset((_ELEMENTS_AND_ATTRIBUTES + _NAMESPACES).encode().split())
