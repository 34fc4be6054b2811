"""Invitations (XEP-0379, XEP-0401, XEP-0445): links with which people make an account, become somebody's contacts, or
set another password."""

from handlers.invitations.settings import InvitationSettings
from xmpp.routing.feature import Feature

feature = Feature("invitations", xep="0401", settings=InvitationSettings, needs=["accounts", "sasl", "subscriptions"])
