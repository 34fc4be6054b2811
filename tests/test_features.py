"""The declaration API: what features say ends up where the engine looks it up."""

import pathlib
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import pytest
from lxml import etree

from handlers.tables import FEATURES, TABLES
from tests.harness.in_process import configuration
from tests.harness.servers import ROOT
from xmpp.config.configuration import setting
from xmpp.data.disco import Identity
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import STOP, Delivery, Steps, concerns, for_sessions_with
from xmpp.routing.feature import (
    OWN,
    SERVER,
    SERVICE,
    Addressee,
    DuplicateHandler,
    Feature,
    Registry,
    State,
    Subdomain,
    Subdomains,
    those_on,
)
from xmpp.routing.tables import IQ_SENT, MESSAGE_SENT, WRITTEN, OwnerlessStep, Tables
from xmpp.server import Server

NO_SERVER: Any = None
PING = "{urn:xmpp:ping}ping"


def answer(server: Any, iq: Stanza) -> None:
    return None


def test_an_iq_handler_is_found_by_type_tag_and_addressee() -> None:
    feature = Feature("ping")
    feature.iq_get(PING, to=[OWN, SERVER])(answer)
    registry = Registry.of([feature])
    assert registry.iqs == {("get", PING, OWN): answer, ("get", PING, SERVER): answer}


def test_two_handlers_for_one_key_are_an_error_at_start_up() -> None:
    one, other = Feature("one"), Feature("other")
    one.iq_get(PING)(answer)
    other.iq_get(PING)(answer)
    with pytest.raises(DuplicateHandler, match="handled by both one and other"):
        Registry.of([one, other])


ROOMS, NODES = (
    Subdomain("rooms", identity=Identity("conference", "text"), label_setting="name"),
    Subdomain("nodes", identity=Identity("pubsub", "service")),
)


@dataclass(frozen=True)
class RoomSettings:
    """Rooms."""

    name: str = setting("rooms", "What their domain begins with.")


def test_a_service_has_an_address_in_each_domain() -> None:
    features = [Feature("a", subdomains=[NODES]), Feature("b", subdomains=[ROOMS], settings=RoomSettings), Feature("c")]
    subdomains = Subdomains(features, lambda of: RoomSettings("chat"), ["a.example", "b.example"])
    assert subdomains.by_domain == {
        "a.example": ["nodes.a.example", "chat.a.example"],
        "b.example": ["nodes.b.example", "chat.b.example"],
    }
    assert subdomains.addresses(ROOMS) == ["chat.a.example", "chat.b.example"]
    assert subdomains.by_address["nodes.a.example"] is NODES


@pytest.mark.parametrize(
    ("address", "addressees"),
    [
        ("rooms.localhost", (ROOMS.service, SERVICE)),
        ("a@rooms.localhost", (ROOMS.bare,)),
        ("a@rooms.localhost/b", (ROOMS.full,)),
    ],
)
def test_a_service_is_told_its_requests_by_what_they_are_addressed_to(
    address: str, addressees: tuple[Addressee, ...]
) -> None:
    assert ROOMS.addressees(JID.parse(address)) == addressees


def test_a_table_is_listed_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        Tables(WRITTEN.runs(), WRITTEN.runs())


def test_stream_features_keep_the_order_of_the_list() -> None:
    one, other = Feature("one"), Feature("other")
    first = one.stream_feature(State.OPEN)(lambda stream: etree.Element("first"))
    second = other.stream_feature(State.OPEN)(lambda stream: etree.Element("second"))
    assert Registry.of([one, other]).stream_features[State.OPEN] == (first, second)
    assert Registry.of([other, one]).stream_features[State.OPEN] == (second, first)


def test_the_features_of_this_server_do_not_claim_the_same_keys() -> None:
    assert Registry.of(FEATURES).iqs


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_feature_is_named_after_its_file(feature: Feature) -> None:
    """So it is found by its name in the configuration, or in a table."""
    (file,) = files_of(feature)
    module = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    assert module.feature is feature


def files_of(feature: Feature) -> list[pathlib.Path]:
    """Those that it can be declared in."""
    names = f"handlers/**/{feature.name}.py", f"handlers/**/{feature.name}/__init__.py"
    found = [file for name in names for file in ROOT.glob(name)]
    return [file for file in found if "feature = Feature(" in file.read_text(encoding="utf-8")]


def delivery() -> Delivery:
    return Delivery(NO_SERVER, JID.parse("juliet@localhost"), Stanza.build("message"))


def test_steps_run_in_order_until_one_stops() -> None:
    ran = []

    def first(delivery: Delivery) -> None:
        ran.append("first")

    def second(delivery: Delivery) -> Literal["stop"]:
        ran.append("second")
        return STOP

    def third(delivery: Delivery) -> None:
        ran.append("third")

    assert Steps((first,)).run(delivery())
    assert not Steps((first, second, third)).run(delivery())
    assert ran == ["first", "first", "second"]


def test_a_step_that_concerns_certain_children_runs_for_no_other_stanza() -> None:
    ran = []

    @concerns("{urn:example}a", "{urn:example}b")
    def looks(delivery: Delivery) -> None:
        ran.append(f"looks at {delivery.stanza.id}")

    def counts(delivery: Delivery) -> None:
        ran.append(f"counts {delivery.stanza.id}")

    path = Steps((looks, counts))
    for name in "bc":
        content = f"<{name} xmlns='urn:example'/>".encode()
        assert path.run(Delivery(NO_SERVER, JID.parse("juliet@localhost"), Stanza.build("message", content, id=name)))
    assert ran == ["looks at b", "counts b", "counts c"]


def test_a_step_for_sessions_with_some_state_runs_for_no_other_session() -> None:
    class Kept:
        pass

    @for_sessions_with(Kept)
    def holds(session: object, stanza: Stanza) -> Literal["stop"]:
        return STOP

    def passes(session: object, stanza: Stanza) -> None: ...

    tables = Tables(WRITTEN.runs(holds, passes))
    assert tables.for_states(WRITTEN, [int]) == (passes,)
    assert tables.for_states(WRITTEN, [int, Kept]) == (holds, passes)


def test_the_steps_of_a_feature_that_is_off_drop_out() -> None:
    on, off = Feature("on"), Feature("off")

    @on.step
    def stays(delivery: Delivery) -> None: ...

    @off.step
    def drops_out(delivery: Delivery) -> None: ...

    tables = Tables(MESSAGE_SENT.runs(stays, drops_out), IQ_SENT.runs(drops_out))
    assert tables.of([on])[MESSAGE_SENT] == (stays,)
    assert tables.of([on])[IQ_SENT] == ()


def test_each_step_belongs_to_one_feature() -> None:
    TABLES.check_owners(FEATURES)
    steps = [step for feature in FEATURES for step in feature.steps]
    assert len(set(steps)) == len(steps)


def test_a_step_that_belongs_to_no_feature_is_found_at_the_start() -> None:
    def nobodys(delivery: Delivery) -> None: ...

    with pytest.raises(OwnerlessStep, match="nobodys stands in the table MESSAGE_SENT"):
        Tables(MESSAGE_SENT.runs(nobodys)).check_owners([Feature("on")])
    with pytest.raises(OwnerlessStep):  # found when a server starts
        Server(configuration(), None, FEATURES, TABLES.but(MESSAGE_SENT.runs(nobodys)))


def test_a_feature_is_off_where_one_is_that_it_needs() -> None:
    features = [Feature("a"), Feature("b", needs=["a"]), Feature("c", needs=["b"]), Feature("d", needs=["e"])]
    features.append(Feature("e", needs=["d"]))
    assert [each.name for each in those_on(features, lambda name: True)] == ["a", "b", "c", "d", "e"]
    assert [each.name for each in those_on(features, lambda name: name != "a")] == ["d", "e"]


def test_features_need_only_what_there_is() -> None:
    names = {feature.name for feature in FEATURES}
    assert all(names.issuperset(feature.needs) for feature in FEATURES)
