"""What this server does: all its features, and the path of every stanza, in order.

This is the only list of features. What has an order is a table here, so that a diff shows a reordering; each step is a
function in the file that its name says.
"""

from handlers import (
    accounts,
    bind,
    blocking,
    caps,
    delay,
    devices,
    disco,
    last_activity,
    offline,
    ping,
    presence,
    private,
    register,
    roster,
    sasl,
    subscriptions,
    time,
    vcard,
    version,
)
from xmpp.routing.delivery import Tables

FEATURES = (
    sasl.feature,
    register.feature,
    bind.feature,
    accounts.feature,
    devices.feature,
    roster.feature,
    subscriptions.feature,
    presence.feature,
    blocking.feature,
    offline.feature,
    delay.feature,
    disco.feature,
    caps.feature,
    ping.feature,
    version.feature,
    last_activity.feature,
    time.feature,
    private.feature,
    vcard.feature,
)

TABLES = Tables(
    message_sent=(blocking.refuse_to_blocked, delay.refuse_forged),
    message_received=(
        accounts.refuse_unknown,
        blocking.refuse_from_blocked,
        devices.choose_for_message,  # RFC 6121 section 8: which sessions
        offline.keep,  # nobody home
    ),
    presence_sent=(
        blocking.refuse_to_blocked,
        delay.refuse_forged,
        last_activity.note_status,
        subscriptions.sent,
        presence.broadcast,  # what has no addressee
        offline.deliver,  # after the presence that brings the session online
        presence.direct,  # what has one goes on to the router
    ),
    presence_received=(
        accounts.ignore_unknown,
        blocking.refuse_from_blocked,
        subscriptions.received,
        presence.answer_probe,
        devices.choose_for_presence,
    ),
    iq_sent=(blocking.refuse_to_blocked,),
    iq_received=(
        accounts.refuse_unknown,
        blocking.refuse_from_blocked,
        last_activity.refuse_strangers,
        roster.refuse_push,
        devices.choose_for_iq,
    ),
    session_available=(subscriptions.deliver_requests,),
    session_ended=(
        last_activity.note_end,  # before leaving: it asks whether the client has said goodbye
        presence.leave,
    ),
    account_removed=(subscriptions.cancel_all,),
)
