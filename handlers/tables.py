"""What this server does: all its features, and the path of every stanza, in order.

This is the only list of features. Whatever has an order is a table here, so that a diff shows a reordering. Each step
is a function in the module that it is named with.
"""

from handlers import archive, commands, groups, invitations, pubsub, push, rooms, upload
from handlers.admin import comings_and_goings, greetings, limited, removals, upkeep
from handlers.commands import service_administration
from handlers.commands.command import COMMANDS_OFFERED
from handlers.components import delegation, in_their_name, managed_presence, managed_rosters, privileges
from handlers.contacts import (
    blocking,
    last_activity,
    partings,
    presence,
    reporting,
    roster,
    shared_blocklists,
    strangers,
    subscriptions,
)
from handlers.contacts.blocking import BLOCK_REQUESTED, CONTACT_UNBLOCKED
from handlers.contacts.presence import PRESENCE_SAID, SESSION_AVAILABLE
from handlers.contacts.roster_items import CONTACT_CHANGED, ROSTER_PUSHED
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
from handlers.invitations import commands as invitation_commands
from handlers.invitations import subscribing
from handlers.login import (
    accounts,
    bind,
    bind2,
    certificate_ends,
    client_access,
    departures,
    fast,
    newcomers,
    register,
    sasl,
    sasl2,
)
from handlers.login.accounts import ACCOUNT_REMOVED
from handlers.login.bind import SESSION_BOUND
from handlers.login.bind2 import BIND_OFFERED, BOUND_INLINE
from handlers.login.sasl import guests
from handlers.login.sasl2 import pipelining, upgrades
from handlers.login.sasl2.inline import ATTEMPTED, AUTHENTICATED_INLINE, AUTHENTICATION_OFFERED
from handlers.messages import carbons, delay, devices, displayed, occupants, offline, stanza_ids
from handlers.profile import avatars, bookmarks, private, vcard, vcard4
from handlers.profile.private import PRIVATE_XML_KEPT
from handlers.pubsub import hosts, last_items, members, rechecking
from handlers.pubsub.occasions import ITEM_PUBLISHED, NODE_CHANGED
from handlers.push.occasions import DEVICE_WOKEN, PUSH_ENABLED
from handlers.rooms import (
    absent_members,
    forgetting,
    moderation,
    restarts,
    room_activity,
    room_archive,
    rooms_elsewhere,
    rooms_here,
    to_occupants,
    visits,
)
from handlers.rooms.occasions import ROOM_ENTERED, ROOM_LEFT, ROOM_PEOPLE_CHANGED, ROOM_SAID, ROOM_TOLD
from handlers.sessions import client_state, stream_management
from handlers.sessions.redelivery import MESSAGE_KEPT, MESSAGE_REDELIVERED
from handlers.sessions.stream_management import SESSION_RESUMED
from xmpp.routing.components import COMPONENT_ATTACHED, COMPONENT_SENT
from xmpp.routing.tables import (
    CAME_FROM_ELSEWHERE,
    CONNECTION_LOST,
    HANDLED,
    IQ_RECEIVED,
    IQ_SENT,
    LINK_IDLE,
    MESSAGE_RECEIVED,
    MESSAGE_SENT,
    MORE_SENT,
    OFFERED,
    PRESENCE_RECEIVED,
    PRESENCE_SENT,
    REQUEST_RECEIVED,
    SENT_ELSEWHERE,
    SERVER_STARTED,
    SERVER_STOPPING,
    SESSION_ENDED,
    STREAMS_CLOSING,
    WRITTEN,
    Tables,
)

FEATURES = (
    sasl.feature,
    sasl2.feature,
    pipelining.feature,
    upgrades.feature,
    fast.feature,
    client_access.feature,
    certificate_ends.feature,
    guests.feature,
    departures.feature,
    register.feature,
    invitations.feature,
    newcomers.feature,
    bind.feature,
    bind2.feature,
    accounts.feature,
    comings_and_goings.feature,
    limited.feature,
    greetings.feature,
    devices.feature,
    roster.feature,
    groups.feature,
    subscriptions.feature,
    presence.feature,
    strangers.feature,
    shared_blocklists.feature,
    blocking.feature,
    reporting.feature,
    offline.feature,
    stanza_ids.feature,
    archive.feature,
    upkeep.feature,
    removals.feature,
    push.feature,
    delay.feature,
    occupants.feature,
    disco.feature,
    commands.feature,
    service_administration.feature,
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
    rooms.feature,
    rooms_elsewhere.feature,
    moderation.feature,
    absent_members.feature,
    room_activity.feature,
    avatars.feature,
    vcard4.feature,
    bookmarks.feature,
    displayed.feature,
    external_services.feature,
    search.feature,
    server_info.feature,
    upload.feature,
    privileges.feature,
    delegation.feature,
)

TABLES = Tables(
    MESSAGE_SENT.runs(
        guests.refuse_elsewhere,
        limited.refuse_from_client_elsewhere,
        blocking.refuse_to_blocked,
        delay.refuse_forged,
        carbons.refuse_forged,
        pubsub.refuse_forged,
        displayed.keep_for_devices,
        stanza_ids.remove_forged,
        occupants.remove_forged,
        archive.record_sent,  # the last that may refuse the message
        carbons.copy_sent,  # for the sender's other devices, with the id that the archive gave
    ),
    MESSAGE_RECEIVED.runs(
        accounts.refuse_unknown,
        blocking.refuse_from_blocked,
        blocking.refuse_invitation_by_blocked,
        carbons.refuse_forged,
        stanza_ids.remove_forged,
        push.heed_app_server,  # a message for the server, not for the account's devices
        members.take_approval,  # likewise
        devices.choose_for_message,  # RFC 6121 section 8: which sessions
        archive.record_received,  # accepted now; whatever is sent or kept after this has the stanza-id
        carbons.copy_received,  # for the devices that were not chosen
        offline.drop_retracted,  # even if the retraction itself is delivered
        offline.keep,  # if no session was chosen
        push.wake,  # the devices that are away, even if others have got the message
    ),
    PRESENCE_SENT.runs(
        guests.refuse_elsewhere,
        guests.refuse_contacts,
        limited.refuse_from_client_elsewhere,
        blocking.refuse_to_blocked,
        delay.refuse_forged,
        occupants.remove_forged,
        last_activity.note_status,
        subscriptions.sent,
        presence.broadcast,  # presence without an addressee
        client_caps.note_announced,  # likewise
        offline.deliver,  # what waited, once the session is available
        presence.direct,  # presence with an addressee goes on to the router
        rooms_elsewhere.note_entering,  # once it is known where the session has sent presence
    ),
    PRESENCE_RECEIVED.runs(  # not run for broadcasts among our accounts: presence_shown checks who is blocked itself
        accounts.ignore_unknown,
        subscriptions.enter_unseen,  # what the blocked grant or cancel, before they are kept out
        blocking.refuse_from_blocked,
        subscribing.approve_invited,
        push.wake_for_request,  # before the request is stored, which tells whether it is new
        subscriptions.received,
        presence.answer_probe,
        contact_caps.note_contact,
        managed_presence.pass_on,
        rooms_elsewhere.note_told,
        devices.choose_for_presence,
    ),
    IQ_SENT.runs(
        guests.refuse_elsewhere,
        guests.refuse_lasting,
        limited.refuse_from_client_elsewhere,
        blocking.refuse_to_blocked,
    ),
    IQ_RECEIVED.runs(
        rooms_elsewhere.take_answer,  # before it is looked who may ask whom: it is an answer that the server waits for
        last_activity.hide_clients,  # these two give the same answer for an account that does not exist
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
    rooms.SUBDOMAIN.received.runs(rooms.receive, to_occupants.pass_on, room_activity.receive),
    ROOM_SAID.runs(room_archive.record),
    ROOM_TOLD.runs(visits.note_said, absent_members.wake, room_activity.note_said),
    ROOM_ENTERED.runs(rooms_here.note_entered, absent_members.note_entered, room_activity.note_entered),
    ROOM_LEFT.runs(rooms_here.note_left, visits.note_left, absent_members.note_left, room_activity.note_left),
    ROOM_PEOPLE_CHANGED.runs(visits.forget, absent_members.note_people, room_activity.note_people),
    DEVICE_WOKEN.runs(absent_members.spare_author),
    PUSH_ENABLED.runs(absent_members.note_enabled),
    HANDLED.runs(stream_management.count_handled),
    SESSION_RESUMED.runs(certificate_ends.note_login, client_caps.ask_again, offline.send_waiting),
    SESSION_BOUND.runs(certificate_ends.note_login, bookmarks.adopt, avatars.adopt),
    OFFERED.runs(pipelining.offer_version),
    AUTHENTICATION_OFFERED.runs(stream_management.offer_resumption, bind2.offer, fast.offer),
    ATTEMPTED.runs(fast.attempt),
    AUTHENTICATED_INLINE.runs(
        client_access.note_login,
        fast.give_token,  # before a session is resumed: what comes after that is not done
        stream_management.resume_inline,
        bind2.bind_inline,  # not if a session was resumed
    ),
    BIND_OFFERED.runs(
        carbons.offer_with_binding, stream_management.offer_with_binding, client_state.offer_with_binding
    ),
    BOUND_INLINE.runs(
        archive.tell_ends_inline,
        carbons.enable_inline,
        client_state.begin_inline,
        stream_management.enable_inline,
    ),
    SESSION_AVAILABLE.runs(
        client_caps.begin_anew, last_items.begin_anew, subscriptions.deliver_requests, greetings.greet
    ),
    CAPS_KNOWN.runs(last_items.send_wanted),
    CONTACT_CAPS_KNOWN.runs(last_items.send_wanted_elsewhere),
    WRITTEN.runs(
        carbons.copy_error,
        client_state.hold_while_inactive,  # before it is remembered: what is held was not sent
        stream_management.remember_until_acked,
        push.wake_hibernating,
    ),
    MORE_SENT.runs(stream_management.wait_for_acknowledgements),
    CONNECTION_LOST.runs(
        client_state.begin_active,  # what it held is remembered with the rest
        push.note_lost,
        absent_members.note_lost,
        offline.hand_over,
        stream_management.hibernate,  # last: if it says STOP, the session does not end
    ),
    SESSION_ENDED.runs(
        comings_and_goings.note_end,
        client_access.note_end,
        certificate_ends.forget,
        client_caps.let_others_go_on,
        room_activity.note_end,
        push.note_logout,
        absent_members.note_logout,
        last_activity.note_end,  # before presence.leave: it looks whether the session was still available
        presence.leave,
        carbons.forget_messages,
        offline.let_go,  # before the next: what had waited, and was not acknowledged, goes another way with the rest
        rooms_elsewhere.forget_session,
        stream_management.let_go,  # the others see the session leave before they get what it did not acknowledge
        offline.hand_over,  # after that: what was sent and not acknowledged comes before what was not sent yet
        departures.note_end,
    ),
    REQUEST_RECEIVED.runs(delegation.pass_on),
    COMPONENT_ATTACHED.runs(
        privileges.advertise,
        delegation.advertise,
        delegation.ask_what_to_announce,
        managed_presence.show_all,
    ),
    COMPONENT_SENT.runs(managed_rosters.serve, in_their_name.send_message, in_their_name.send_request),
    CAME_FROM_ELSEWHERE.runs(
        shared_blocklists.take_event,
        shared_blocklists.keep_out,
        strangers.keep_out,
        limited.keep_out,
        delay.remove_forged,
    ),
    SENT_ELSEWHERE.runs(limited.refuse_elsewhere, strangers.note_written),
    ROSTER_PUSHED.runs(managed_rosters.push),
    PRESENCE_SAID.runs(managed_presence.show),
    NODE_CHANGED.runs(bookmarks.follow_node),
    PRIVATE_XML_KEPT.runs(bookmarks.follow_private_xml),
    CONTACT_CHANGED.runs(rechecking.recheck_contact, last_items.send_to_contact),
    BLOCK_REQUESTED.runs(reporting.keep),
    CONTACT_UNBLOCKED.runs(last_items.send_to_unblocked),
    ACCOUNT_REMOVED.runs(
        partings.part,
        presence.forget_account,
        push.forget_account,
        contact_caps.forget_account,
        pubsub.forget_account,
        forgetting.forget_account,
        upkeep.note_removed,  # has what is left behind deleted bit by bit
    ),
    ITEM_PUBLISHED.runs(avatars.tell_of_avatar, vcard4.keep_as_vcard),
    SERVER_STARTED.runs(
        upkeep.start,
        removals.start,
        groups.go_on,
        departures.start,
        server_info.publish,
        restarts.warn_of_unreachable_rooms,
        restarts.begin,
        privileges.warn_of_unknown,
        shared_blocklists.start,
    ),
    COMMANDS_OFFERED.runs(
        strangers.offer_choice, invitation_commands.offer, service_administration.offer_commands
    ),
    LINK_IDLE.runs(rooms_here.keep_link),
    STREAMS_CLOSING.runs(restarts.tell_shutdown),
    SERVER_STOPPING.runs(
        upkeep.stop,
        removals.stop,
        shared_blocklists.stop,
        upload.close_store,
        departures.stop,
        rooms_elsewhere.stop,
        stream_management.end_hibernating,
    ),
)
