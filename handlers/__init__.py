"""What this server does: all its features, and the path of every stanza, in order.

This is the only list of features. What has an order is a table here, so that a diff shows a reordering; each step is a
function in the file that its name says.
"""

from handlers import (
    accounts,
    archive,
    bind,
    blocking,
    caps,
    carbons,
    client_state,
    delay,
    devices,
    disco,
    last_activity,
    offline,
    ping,
    presence,
    private,
    push,
    register,
    roster,
    sasl,
    stanza_ids,
    stream_management,
    subscriptions,
    time,
    vcard,
    version,
)
from handlers.archive import upkeep
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
    stanza_ids.feature,
    archive.feature,
    push.feature,
    delay.feature,
    disco.feature,
    caps.feature,
    carbons.feature,
    client_state.feature,
    stream_management.feature,
    ping.feature,
    version.feature,
    last_activity.feature,
    time.feature,
    private.feature,
    vcard.feature,
)

TABLES = Tables(
    message_sent=(
        blocking.refuse_to_blocked,
        delay.refuse_forged,
        carbons.refuse_forged,
        stanza_ids.remove_forged,
        archive.record_sent,  # nothing here refuses the message any more
        carbons.copy_sent,  # the sender's other devices, once nothing here refuses the message any more
    ),
    message_received=(
        accounts.refuse_unknown,
        blocking.refuse_from_blocked,
        carbons.refuse_forged,
        stanza_ids.remove_forged,
        push.heed_app_server,  # for the server, not for its devices
        devices.choose_for_message,  # RFC 6121 section 8: which sessions
        archive.record_received,  # accepted now; whatever is sent or kept after this has its stanza-id
        carbons.copy_received,  # the other devices
        offline.drop_retracted,  # whoever gets the retraction
        offline.keep,  # nobody home
        push.wake,  # whoever is away, be others home or not
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
    presence_received=(  # broadcasts to local contacts go past it: of these steps, blocking alone keeps them away
        accounts.ignore_unknown,
        blocking.refuse_from_blocked,
        push.wake_for_request,  # who has asked before is not new: before the request is entered
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
    message_redelivered=(
        accounts.refuse_unknown,
        blocking.refuse_from_blocked,
        devices.choose_for_message,
        offline.drop_retracted,
        offline.keep,
        push.wake,
    ),
    handled=(stream_management.count_handled,),
    session_available=(subscriptions.deliver_requests,),
    written=(
        carbons.copy_error,
        client_state.hold_while_inactive,  # before what remembers
        stream_management.remember_until_acked,
        push.wake_hibernating,
    ),
    session_lost=(
        client_state.begin_active,  # what it held goes to what is remembered
        push.note_lost,
        stream_management.hibernate,  # last: where it stops, the session goes on
    ),
    session_ended=(
        push.note_logout,
        last_activity.note_end,  # before leaving: it asks whether the client has said goodbye
        presence.leave,
        carbons.forget_messages,
        offline.let_go,  # as what had waited and was not acknowledged goes with the rest
        stream_management.let_go,  # last: others have seen it leave before they get what it did not acknowledge
    ),
    account_removed=(subscriptions.cancel_all, push.forget_account),
    server_started=(upkeep.start,),  # also where the archive is switched off
    server_stopping=(upkeep.stop, stream_management.end_hibernating),
)
