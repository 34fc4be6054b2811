"""What this server does: all its features, and the path of every stanza, in order.

This is the only list of features. What has an order is a table here, so that a diff shows a reordering; each step is a
function in the file that its name says.
"""

from handlers import archive, pubsub, push
from handlers.admin import comings_and_goings, upkeep
from handlers.contacts import blocking, last_activity, partings, presence, roster, subscriptions
from handlers.contacts.blocking import CONTACT_UNBLOCKED
from handlers.contacts.presence import SESSION_AVAILABLE
from handlers.contacts.roster_items import CONTACT_CHANGED
from handlers.discovery import (
    caps,
    caps2,
    client_caps,
    contact_caps,
    disco,
    external_services,
    ping,
    search,
    server_info,
    time,
    version,
)
from handlers.discovery.client_caps import CAPS_KNOWN
from handlers.discovery.contact_caps import CONTACT_CAPS_KNOWN
from handlers.login import accounts, bind, register, sasl
from handlers.login.accounts import ACCOUNT_REMOVED
from handlers.login.bind import SESSION_BOUND
from handlers.messages import carbons, delay, devices, displayed, occupants, offline, stanza_ids
from handlers.profile import avatars, bookmarks, private, vcard, vcard4
from handlers.profile.private import PRIVATE_XML_KEPT
from handlers.pubsub import hosts, last_items, members, rechecking
from handlers.pubsub.occasions import ITEM_PUBLISHED, NODE_CHANGED
from handlers.sessions import client_state, stream_management
from handlers.sessions.redelivery import MESSAGE_KEPT, MESSAGE_REDELIVERED
from handlers.sessions.stream_management import SESSION_RESUMED
from xmpp.routing.tables import (
    CONNECTION_LOST,
    HANDLED,
    IQ_RECEIVED,
    IQ_SENT,
    MESSAGE_RECEIVED,
    MESSAGE_SENT,
    MORE_SENT,
    PRESENCE_RECEIVED,
    PRESENCE_SENT,
    SERVER_STARTED,
    SERVER_STOPPING,
    SESSION_ENDED,
    WRITTEN,
    Tables,
)

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
    MESSAGE_SENT.runs(
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
    MESSAGE_RECEIVED.runs(
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
    PRESENCE_SENT.runs(
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
    PRESENCE_RECEIVED.runs(  # broadcasts to local contacts go past it: of these steps, blocking alone keeps them away
        accounts.ignore_unknown,
        subscriptions.enter_unseen,  # what those decide who are kept out next
        blocking.refuse_from_blocked,
        push.wake_for_request,  # who has asked before is not new: before the request is entered
        subscriptions.received,
        presence.answer_probe,
        contact_caps.note_contact,
        devices.choose_for_presence,
    ),
    IQ_SENT.runs(blocking.refuse_to_blocked),
    IQ_RECEIVED.runs(
        last_activity.hide_clients,  # these two refuse alike whether or not there is an account
        roster.refuse_push,
        accounts.refuse_unknown,
        blocking.refuse_from_blocked,
        devices.choose_for_iq,
    ),
    MESSAGE_REDELIVERED.runs(
        accounts.refuse_unknown,
        blocking.refuse_from_blocked,
        devices.choose_for_message,
        offline.drop_retracted,
        offline.keep,
        push.wake,
    ),
    MESSAGE_KEPT.runs(accounts.refuse_unknown, blocking.refuse_from_blocked, offline.drop_retracted),
    hosts.SUBDOMAIN.received.runs(members.take_approval),
    HANDLED.runs(stream_management.count_handled),
    SESSION_RESUMED.runs(client_caps.ask_again, offline.send_waiting),
    SESSION_BOUND.runs(bookmarks.adopt, avatars.adopt),
    SESSION_AVAILABLE.runs(client_caps.begin_anew, last_items.begin_anew, subscriptions.deliver_requests),
    CAPS_KNOWN.runs(last_items.send_wanted),
    CONTACT_CAPS_KNOWN.runs(last_items.send_wanted_elsewhere),
    WRITTEN.runs(
        carbons.copy_error,
        client_state.hold_while_inactive,  # before what remembers
        stream_management.remember_until_acked,
        push.wake_hibernating,
    ),
    MORE_SENT.runs(stream_management.wait_for_acknowledgements),
    CONNECTION_LOST.runs(
        client_state.begin_active,  # what it held goes to what is remembered
        push.note_lost,
        offline.hand_over,
        stream_management.hibernate,  # last: where it stops, the session goes on
    ),
    SESSION_ENDED.runs(
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
    NODE_CHANGED.runs(bookmarks.follow_node),
    PRIVATE_XML_KEPT.runs(bookmarks.follow_private_xml),
    CONTACT_CHANGED.runs(rechecking.recheck_contact, last_items.send_to_contact),
    CONTACT_UNBLOCKED.runs(last_items.send_to_unblocked),
    ACCOUNT_REMOVED.runs(
        partings.part,
        presence.forget_account,
        push.forget_account,
        contact_caps.forget_account,
        pubsub.forget_account,
        upkeep.note_removed,  # what is of nobody then is deleted bit by bit
    ),
    ITEM_PUBLISHED.runs(avatars.tell_of_avatar, vcard4.keep_as_vcard),
    SERVER_STARTED.runs(
        upkeep.start,
        server_info.publish,
    ),
    SERVER_STOPPING.runs(upkeep.stop, stream_management.end_hibernating),
)
