"""The dialogues between people on different servers, which federate: what differs from people on one server is wrong,
or has a reason."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.harness.dialogues import assert_same, label, name_of, settings_of, wanted_server
from tests.harness.federated_dialogues import AWAY, BESIDE, CASES, Land, land_in

# Why dialogues are not the same.
ONE_WAY = "what a contact supports is known by its presence, which here it does not show to who publishes"
TOLD_AT_HOME = "a service tells the people of its own server where there is something new (XEP-0437 section 6)"
WOKEN_AT_HOME = "a room wakes the devices of its own server's people: others have not said to it how"
OWN_BLOCKLISTS = "a service reads the blocklists of its own server's people: others see to theirs themselves"

# What is not the same, and why. A dialogue that is played to its end does not belong here.
IS_NOT_THE_SAME = {
    BESIDE: {
        "avatars/from_vcard.scs": ONE_WAY,
        "avatars/notified.scs": ONE_WAY,
        "blocking/looks_offline.scs": "who is asked for its presence answers the account, so the older device hears it",
        "microblog/post.scs": ONE_WAY,
        "microblog/story.scs": ONE_WAY,
        "pep/activity.scs": ONE_WAY,
        "pep/location.scs": ONE_WAY,
        "pep/mood.scs": ONE_WAY,
        "pep/nickname.scs": ONE_WAY,
        "pep/notified.scs": ONE_WAY,
        "pep/omemo.scs": ONE_WAY,
        "pep/omemo_before_2.scs": ONE_WAY,
        "pep/tune.scs": ONE_WAY,
        "pubsub/public_subscription.scs": "public subscriptions are listed as far as they are to nodes of the server",
        "register/removed.scs": "the other server is told in two stanzas, and pushes the roster item after each",
        "rooms/absent_members/woken.scs": WOKEN_AT_HOME,
        "rooms/invitations/blocked.scs": OWN_BLOCKLISTS,
        "rooms/room_activity/after_a_visit.scs": TOLD_AT_HOME,
        "rooms/room_activity/members_only.scs": TOLD_AT_HOME,
        "rooms/room_activity/news.scs": TOLD_AT_HOME,
        "rooms/room_activity/no_news.scs": TOLD_AT_HOME,
        "rooms/room_activity/once.scs": TOLD_AT_HOME,
        "rooms/room_activity/strangers.scs": TOLD_AT_HOME,
        "rooms/room_activity/told.scs": TOLD_AT_HOME,
        "rooms/room_activity/typing.scs": TOLD_AT_HOME,
        "rooms/room_activity/unsubscribed.scs": TOLD_AT_HOME,
        "search/by_name.scs": "a search finds the people of one server",
        "stored-data/public.scs": ONE_WAY,
        "vcard/read_as_vcard4.scs": ONE_WAY,
    },
    AWAY: {
        "pubsub/blocked_publisher.scs": OWN_BLOCKLISTS,
        "rooms/absent_members/mentioned.scs": WOKEN_AT_HOME,
        "rooms/absent_members/mentioned_by_reference.scs": WOKEN_AT_HOME,
        "rooms/absent_members/once_in_a_while.scs": WOKEN_AT_HOME,
    },
}


class Lands:
    """Two servers for each kind that dialogues ask for, and each way to play them; made when the first one does. Rooms
    that are left are in nobody's way then."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder, self._opened = folder, opened
        self._made: dict[str, Land] = {}

    def of(self, kind: str, way: str) -> Land:
        name = f"{kind}, {way}"
        if name not in self._made:
            self._made[name] = self._opened.enter_context(land_in(self._folder / name, settings_of(kind)))
        return self._made[name]


@pytest.fixture(scope="module")
def lands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lands]:
    with ExitStack() as opened:
        yield Lands(tmp_path_factory.mktemp("lands"), opened)


@pytest.mark.parametrize("way", [BESIDE, AWAY])
def test_the_table_names_dialogues_that_are_played(way: str) -> None:
    assert IS_NOT_THE_SAME[way].keys() <= {name_of(script) for script, played in CASES if played == way}


@pytest.mark.parametrize(("script", "way"), CASES, ids=label)
def test_dialogue(lands: Lands, script: Path, way: str, caplog: pytest.LogCaptureFixture) -> None:
    play = partial(lands.of(wanted_server(script), way).play, script, first_beside_services=way == BESIDE)
    assert_same(play, IS_NOT_THE_SAME[way].get(name_of(script)))
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
