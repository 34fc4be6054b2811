"""The dialogues across two servers: who writes to whom has another owner. What reads another account's state, instead
of sending it a stanza, fails here."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.harness import dialogues
from tests.harness.across import House, house_in
from tests.harness.dialogues import assert_same, label, name_of, settings_of, wanted_server

ACROSS, OTHER_WAY = "across", "the other way round"  # who is named first is beside the services, or is not

ONE_WAY = "nodes are told what a contact supports by its presence, and here the contact shows none"

# What is not the same across, and why. A dialogue that is played to its end does not belong here.
IS_NOT_THE_SAME = {
    ACROSS: {
        "avatars/from_vcard.scs": ONE_WAY,
        "avatars/notified.scs": ONE_WAY,
        "blocking/looks_offline.scs": "whoever is asked for its presence answers all devices, not the new one alone",
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
        "pubsub/public_subscription.scs": "public subscriptions are listed as far as the nodes have the same owner",
        "register/removed.scs": "another owner is told in two stanzas, and pushes the roster item after each",
        "rooms/absent_members/woken.scs": "a room wakes the devices of the accounts that have its owner",
        "rooms/invitations/blocked.scs": "a room reads the blocklists of the accounts that have its owner",
        "roster/remove_ends_presence.scs": "the answer of one owner may overtake what another one has to say",
        "search/by_name.scs": "a search finds the accounts of one owner",
        "stored-data/public.scs": ONE_WAY,
        "upload/everybody.scs": "a service keeps the files of the accounts that have its owner",
        "vcard/read_as_vcard4.scs": ONE_WAY,
    },
    OTHER_WAY: {
        "pubsub/blocked_publisher.scs": "a service reads the blocklists of the accounts that have its owner",
    },
}


CASES = [(script, ACROSS) for script in dialogues.SCRIPTS if dialogues.has_several_people(script)]
CASES += [(script, OTHER_WAY) for script in dialogues.SCRIPTS if dialogues.uses(script, "pubsub")]


class Houses:
    """Two servers for each kind that dialogues ask for, made when the first one does."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder, self._opened = folder, opened
        self._made: dict[str, House] = {}

    def of(self, kind: str) -> House:
        if kind not in self._made:
            self._made[kind] = self._opened.enter_context(house_in(self._folder / kind, settings_of(kind)))
        return self._made[kind]


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Houses]:
    with ExitStack() as opened:
        yield Houses(tmp_path_factory.mktemp("houses"), opened)


@pytest.mark.parametrize("way", [ACROSS, OTHER_WAY])
def test_the_table_names_dialogues_that_are_played(way: str) -> None:
    assert IS_NOT_THE_SAME[way].keys() <= {name_of(script) for script, played in CASES if played == way}


@pytest.mark.parametrize(("script", "way"), CASES, ids=label)
def test_dialogue(houses: Houses, script: Path, way: str, caplog: pytest.LogCaptureFixture) -> None:
    play = partial(houses.of(wanted_server(script)).play, script, first_beside_services=way == ACROSS)
    assert_same(play, IS_NOT_THE_SAME[way].get(name_of(script)))
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
