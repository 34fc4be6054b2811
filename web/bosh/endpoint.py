"""Where the requests of BOSH come in (XEP-0124): the body of each is read, and its session is found or created."""

import logging
import re
import secrets
from dataclasses import dataclass

import gevent

from web.bosh.answers import terminated
from web.bosh.connection_manager import ConnectionManager
from web.bosh.requests import Agreed, Refused
from web.bosh.stream import BoshStream
from web.bosh.window import REQUESTS
from web.http.messages import Request, Response
from web.part import Part
from web.site import Site
from xmpp.config.configuration import setting
from xmpp.data.errors import StreamError
from xmpp.data.networks import network
from xmpp.stream.client import STARTTLS, Terms
from xmpp.stream.places import Place
from xmpp.stream.xml.bodyfeed import TAG_BYTES, Body, BodyTag, read_tag

log = logging.getLogger(__name__)

VERSION = (1, 11)  # of XEP-0124
SID_BYTES = 24
MOST_RID = 2**53 - 1  # section 14.1: what JavaScript can count to
ANY_SIZE = 2**62  # it is judged when the session is known
CONTENT_TYPE = "text/xml; charset=utf-8"
# Content types that a client may ask for. One that browsers make a page of is not among them.
CONTENT_TYPES = re.compile(r"(text/xml|application/xml|text/plain)(; ?charset=utf-8)?", re.IGNORECASE)
STATUS = {"bad-request": 400, "policy-violation": 403, "item-not-found": 404}  # section 17.1


@dataclass(frozen=True)
class BoshSettings:
    """XMPP over BOSH (XEP-0124, XEP-0206), for clients that have nothing but HTTP: at /http-bind."""

    wait_seconds: int = setting(55, "How long a request is held at most. Many proxies give up on one after 60 seconds.",
                                minimum=1, maximum=3_600)  # fmt: skip
    inactivity_seconds: int = setting(60, "How long a client may be silent while no request of it is held.",
                                      minimum=5, maximum=3_600)  # fmt: skip
    pause_seconds: int = setting(120, "For how long a client may say beforehand that it will be silent.",
                                 minimum=5, maximum=3_600)  # fmt: skip
    polling_seconds: int = setting(5, "How often a client may ask that does not want its requests to be held.",
                                   minimum=1, maximum=600)  # fmt: skip
    body_bytes: int = setting(1 << 20, "The longest request, once logged in.", minimum=65_536, maximum=16 << 20)


part = Part("bosh", xep="0206", settings=BoshSettings)


class Sessions:
    """The sessions of a server. Nobody can guess a `sid`; it never goes to the log."""

    def __init__(self) -> None:
        self.by_sid: dict[str, ConnectionManager] = {}
        self._terms: Terms | None = None

    def terms(self, of: Terms) -> Terms:
        """The terms of streams over BOSH, in which there is no STARTTLS."""
        if self._terms is None:
            self._terms = of._replace(tls=None, tags=frozenset(of.tags) - {STARTTLS})
        return self._terms


@part.post("/http-bind", cross_origin=True)
@part.post("/bosh", cross_origin=True)
def take_request(site: Site, request: Request) -> Response:
    """Answer one request, when there is something to say or its time is over. No cookie is looked at. Yields."""
    try:
        tag, manager, body = _read(site, request)
        rid = _rid(tag)
        if manager is None:
            manager = _create(site, request, tag, rid)
        if manager.is_trusted:
            request.trust()
        answer = manager.answer(rid, body, request.watched)
    except Refused as refused:
        if refused.is_legacy and refused.condition in STATUS:
            return Response(STATUS[refused.condition])
        return Response(200, terminated(refused.condition), {"Content-Type": CONTENT_TYPE})
    return Response(200, answer, {"Content-Type": manager.agreed.content_type})


# -- reading


def _read(site: Site, request: Request) -> tuple[BodyTag, ConnectionManager | None, Body]:
    """The body, and its session if it names one. How long it may be depends on that. Yields. Raises Refused."""
    tag, manager, most = None, None, TAG_BYTES
    data = bytearray()
    for piece in request.body.pieces(ANY_SIZE):
        data += piece
        if tag is None and (b">" in piece or len(data) > TAG_BYTES):
            tag = _tag(site, bytes(data))
            if tag is None:
                continue
            manager = _session(site, tag)
            most = _most_bytes(site, manager)
            tag_bytes = len(data)
        if len(data) > most or (tag is not None and (request.body.length or 0) > most):
            raise manager.fail("policy-violation") if manager else _refused(tag, "policy-violation")
    if tag is None:
        raise Refused("bad-request")
    try:
        return tag, manager, tag.body(bytes(data[tag_bytes:]))
    except StreamError as error:
        log.debug("%s: %s", request.client, error)
        raise manager.fail("bad-request") if manager else _refused(tag, "bad-request") from None


def _tag(site: Site, data: bytes) -> BodyTag | None:
    try:
        return read_tag(data, site.streams.terms.names)
    except StreamError as error:
        log.debug("a request that is no body: %s", error)
        raise Refused("bad-request") from None


def _session(site: Site, tag: BodyTag) -> ConnectionManager | None:
    sid = tag.attributes.get("sid")
    if sid is None:
        return None
    manager = site.server.state(Sessions).by_sid.get(sid)
    if manager is None:
        raise Refused("item-not-found")
    return manager


def _most_bytes(site: Site, manager: ConnectionManager | None) -> int:
    if manager is not None and manager.is_trusted:
        return site.server.settings(BoshSettings).body_bytes
    return site.server.stream_settings.login_stanza_bytes + TAG_BYTES


def _refused(tag: BodyTag | None, condition: str) -> Refused:
    """The refusal of a session that was to be created."""
    return Refused(condition, is_legacy=tag is not None and "ver" not in tag.attributes)


def _rid(tag: BodyTag) -> int:
    rid = _number(tag, "rid", None, MOST_RID)
    if not rid:
        raise _refused(tag, "bad-request")
    return rid


def _number(tag: BodyTag, name: str, default: int | None, most: int) -> int:
    """The value of an attribute, and `most` if it is larger. Raises Refused."""
    text = tag.attributes.get(name)
    if text is None and default is not None:
        return default
    if text is None or not re.fullmatch("[0-9]{1,16}", text):
        raise _refused(tag, "bad-request")
    return min(int(text), most)


# -- creating


def _create(site: Site, request: Request, tag: BodyTag, rid: int) -> ConnectionManager:
    """Create a session, with a stream that is served from now on. Raises Refused."""
    agreed = _agreed(site.server.settings(BoshSettings), tag)
    if site.server.is_stopping:
        raise Refused("system-shutdown")
    place = site.listener.place(network(request.client))
    if place is None:
        raise _refused(tag, "policy-violation")
    sid = secrets.token_urlsafe(SID_BYTES)
    manager = ConnectionManager(agreed, rid, _greeting(sid, agreed))
    sessions = site.server.state(Sessions)
    sessions.by_sid[sid] = manager
    terms = sessions.terms(site.streams.terms)
    flusher, is_secure = site.streams.flusher, request.is_secure
    stream = BoshStream(site.server, terms, manager, flusher, request.client, place, is_secure=is_secure)
    gevent.spawn(_serve, site, stream, sid, place)
    return manager


def _serve(site: Site, stream: BoshStream, sid: str, place: Place) -> None:
    try:
        site.streams.serve(stream)
    finally:
        del site.server.state(Sessions).by_sid[sid]
        place.leave()


def _agreed(settings: BoshSettings, tag: BodyTag) -> Agreed:
    wait = _number(tag, "wait", settings.wait_seconds, settings.wait_seconds)
    hold = _number(tag, "hold", 1, 1) if wait else 0
    content_type = tag.attributes.get("content", CONTENT_TYPE)
    return Agreed(
        wait=wait if hold else 0,
        hold=hold,
        inactivity=settings.inactivity_seconds + (0 if hold else 2 * settings.polling_seconds),
        polling=settings.polling_seconds,
        pause=settings.pause_seconds,
        version=_version(tag),
        content_type=content_type if CONTENT_TYPES.fullmatch(content_type) else CONTENT_TYPE,
    )


def _version(tag: BodyTag) -> str | None:
    """The lower one of the client's version and ours; None if it has named none. Raises Refused."""
    text = tag.attributes.get("ver")
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", text)
    if found is None:
        raise _refused(tag, "bad-request")
    major, minor = min(VERSION, (int(found[1]), int(found[2])))
    return f"{major}.{minor}"


def _greeting(sid: str, agreed: Agreed) -> dict[str, str]:
    """What the client is told of its session (section 7.2)."""
    numbers = {
        "wait": agreed.wait,
        "requests": REQUESTS,
        "hold": agreed.hold,
        "inactivity": agreed.inactivity,
        "polling": agreed.polling,
        "maxpause": agreed.pause,
    }
    version = {"ver": agreed.version} if agreed.version else {}
    return {"sid": sid, **{name: str(number) for name, number in numbers.items()}, **version}
