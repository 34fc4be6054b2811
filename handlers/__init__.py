"""What this server does: all its features, and the path of every stanza, in order.

This is the only list of features. What has an order is a table here, so that a diff shows a reordering; each step is a
function in the file that its name says.
"""

from handlers import (
    accounts,
    archive,
    avatars,
    bind,
    blocking,
    bookmarks,
    caps,
    caps2,
    carbons,
    client_caps,
    client_state,
    comings_and_goings,
    delay,
    devices,
    disco,
    displayed,
    external_services,
    last_activity,
    occupants,
    offline,
    partings,
    ping,
    presence,
    private,
    pubsub,
    push,
    register,
    roster,
    sasl,
    search,
    server_info,
    stanza_ids,
    stream_management,
    subscriptions,
    time,
    upkeep,
    vcard,
    vcard4,
    version,
)
from handlers.pubsub import last_items, members, rechecking
from xmpp.routing.delivery import Tables

FEATURES = (
    sasl.feature,
    register.feature,
    bind.feature,
    accounts.feature,
    comings_and_goings.feature,
    devices.feature,
    roster.feature,
    subscriptions.feature,
    presence.feature,
    blocking.feature,
    offline.feature,
    stanza_ids.feature,
    archive.feature,
    upkeep.feature,
    push.feature,
    delay.feature,
    occupants.feature,
    disco.feature,
    caps.feature,
    caps2.feature,
    client_caps.feature,
    carbons.feature,
    client_state.feature,
    stream_management.feature,
    ping.feature,
    version.feature,
    last_activity.feature,
    time.feature,
    private.feature,
    vcard.feature,
    pubsub.feature,
    avatars.feature,
    vcard4.feature,
    bookmarks.feature,
    displayed.feature,
    external_services.feature,
    search.feature,
    server_info.feature,
)

TABLES = Tables(
    message_sent=(
        blocking.refuse_to_blocked,
        delay.refuse_forged,
        carbons.refuse_forged,
        pubsub.refuse_forged,
        displayed.keep_for_devices,
        stanza_ids.remove_forged,
        occupants.remove_forged,
        archive.record_sent,  # nothing here refuses the message any more
        carbons.copy_sent,  # the sender's other devices, once nothing here refuses the message any more
    ),
    message_received=(
        accounts.refuse_unknown,
        blocking.refuse_from_blocked,
        carbons.refuse_forged,
        stanza_ids.remove_forged,
        push.heed_app_server,  # for the server, not for its devices
        members.take_approval,  # likewise
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
        occupants.remove_forged,
        last_activity.note_status,
        subscriptions.sent,
        presence.broadcast,  # what has no addressee
        client_caps.note_announced,  # likewise
        offline.deliver,  # after the presence that brings the session online
        presence.direct,  # what has one goes on to the router
    ),
    presence_received=(  # broadcasts to local contacts go past it: of these steps, blocking alone keeps them away
        accounts.ignore_unknown,
        subscriptions.enter_unseen,  # what those decide who are kept out next
        blocking.refuse_from_blocked,
        push.wake_for_request,  # who has asked before is not new: before the request is entered
        subscriptions.received,
        presence.answer_probe,
        devices.choose_for_presence,
    ),
    iq_sent=(blocking.refuse_to_blocked,),
    iq_received=(
        last_activity.hide_clients,  # these two refuse alike whether or not there is an account
        roster.refuse_push,
        accounts.refuse_unknown,
        blocking.refuse_from_blocked,
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
    pubsub_received=(members.take_approval,),
    handled=(stream_management.count_handled,),
    session_resumed=(client_caps.ask_again, offline.go_on),
    session_bound=(bookmarks.adopt, avatars.adopt),
    session_available=(client_caps.begin_anew, last_items.begin_anew, subscriptions.deliver_requests),
    caps_known=(last_items.send_wanted,),
    written=(
        carbons.copy_error,
        client_state.hold_while_inactive,  # before what remembers
        stream_management.remember_until_acked,
        push.wake_hibernating,
    ),
    more_sent=(stream_management.wait_for_acknowledgements,),
    session_lost=(
        client_state.begin_active,  # what it held goes to what is remembered
        push.note_lost,
        offline.hand_over,
        stream_management.hibernate,  # last: where it stops, the session goes on
    ),
    session_ended=(
        comings_and_goings.note_end,
        client_caps.let_others_go_on,
        push.note_logout,
        last_activity.note_end,  # before leaving: it asks whether the client has said goodbye
        presence.leave,
        carbons.forget_messages,
        offline.let_go,  # as what had waited and was not acknowledged goes with the rest
        stream_management.let_go,  # others have seen it leave before they get what it did not acknowledge
        offline.hand_over,  # and get that before what it was not even sent
    ),
    node_changed=(bookmarks.follow_node,),
    private_xml_kept=(bookmarks.follow_private_xml,),
    contact_changed=(rechecking.recheck_contact, last_items.send_to_contact),
    contact_unblocked=(last_items.send_to_unblocked,),
    account_removed=(
        partings.part,
        presence.forget_account,
        push.forget_account,
        pubsub.forget_account,
        upkeep.note_removed,  # what is of nobody then is deleted bit by bit
    ),
    item_published=(avatars.tell_of_avatar, vcard4.keep_as_vcard),
    server_started=(
        upkeep.start,
        server_info.publish,
    ),
    server_stopping=(upkeep.stop, stream_management.end_hibernating),
)
