"""XEP-0313 section "Querying an archive": what a client asks for, as data; and the form that says what it may be."""

from dataclasses import dataclass
from itertools import groupby

from lxml import etree

from xmpp.data import dataforms, resultsets, timestamps
from xmpp.data.dataforms import Field
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID, MalformedJID
from xmpp.data.resultsets import PageRequest

NAMESPACE = "urn:xmpp:mam:2"
QUERY = f"{{{NAMESPACE}}}query"
FLIP_PAGE = f"{{{NAMESPACE}}}flip-page"
FULLTEXT = "{urn:xmpp:fulltext:0}fulltext"

FIELDS = (
    Field("with", "jid-single"),
    Field("start"),
    Field("end"),
    Field("before-id"),
    Field("after-id"),
    Field("ids", "list-multi", is_open=True),
    Field("include-groupchat", "boolean"),  # ignored: an account's archive has no such messages
    Field(FULLTEXT),
)
KNOWN = frozenset({"FORM_TYPE", *(field.var for field in FIELDS)})
EVERYTHING = PageRequest()
MAX_SEARCHED = 500
"""The most characters that may be searched for. A limit of its own, as the index may find more terms than `_terms`."""
MAX_TERMS = 30
"""The most terms that may be searched for, each of which is looked up: "ray" is one, "x-ray" two."""
MAX_IDS = 1_000


@dataclass(frozen=True, slots=True)
class Query:
    """What a client asks for; None or empty if it does not say. `id` is the query's own, other ids are those of
    messages; times are in seconds since 1970."""

    id: str | None = None
    contact: JID | None = None
    start: float | None = None
    end: float | None = None
    before_id: str | None = None
    after_id: str | None = None
    ids: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    page: PageRequest = EVERYTHING
    is_flipped: bool = False


def form() -> etree._Element:
    """The <query/> with the form of what can be asked for."""
    query = etree.Element(QUERY, nsmap={None: NAMESPACE})
    query.append(dataforms.form(NAMESPACE, FIELDS))
    return query


def requested(element: etree._Element) -> Query:
    """Read a <query/>. Raises StanzaError if it is malformed, or has a field that is unknown here."""
    if element.get("node") is not None:
        raise StanzaError("feature-not-implemented", "only messages are archived, not nodes")
    try:
        answers = _answers(element)
        return Query(
            id=element.get("queryid"),
            contact=_address(_single(answers, "with")),
            start=_moment(_single(answers, "start")),
            end=_moment(_single(answers, "end")),
            before_id=_single(answers, "before-id"),
            after_id=_single(answers, "after-id"),
            ids=answers.get("ids", ()),
            words=_words(_single(answers, FULLTEXT)),
            page=_page(element),
            is_flipped=element.find(FLIP_PAGE) is not None,
        )
    except MalformedJID as error:
        raise StanzaError("jid-malformed", str(error)) from None
    except ValueError as error:
        raise StanzaError("bad-request", str(error)) from None


def _answers(element: etree._Element) -> dict[str, tuple[str, ...]]:
    x = element.find(dataforms.X)
    if x is None:
        return {}
    for field in x.iterchildren(dataforms.FIELD):
        if field.get("var", "FORM_TYPE") not in KNOWN:
            raise StanzaError("feature-not-implemented", f"no archive here knows the field {field.get('var')}")
    answers = dataforms.submitted(x, NAMESPACE, FIELDS)
    if len(answers.get("ids", ())) > MAX_IDS:
        raise StanzaError("policy-violation", f"at most {MAX_IDS} messages are asked for by their ids at once")
    return answers


def _page(element: etree._Element) -> PageRequest:
    asked = element.find(resultsets.SET)
    if asked is None:
        return EVERYTHING
    page = resultsets.requested(asked)
    if page.index:
        # XEP-0059 section "Retrieving a Page Out of Order": to count that far costs as much as to send it
        raise StanzaError("feature-not-implemented", "pages are asked for by the id of a message, not by a number")
    return page


def _single(answers: dict[str, tuple[str, ...]], var: str) -> str | None:
    return next(iter(answers.get(var, ())), None)


def _address(text: str | None) -> JID | None:
    return None if text is None else JID.parse(text)


def _moment(text: str | None) -> float | None:
    return None if text is None else timestamps.parse(text)


def _words(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    # Counted as the index does, which splits words at all that is no letter: "x-x-x-..." could be thousands of terms.
    # What is a letter is up to the index's own tables. If it knows fewer letters than we do, MAX_SEARCHED holds.
    if len(text) > MAX_SEARCHED or sum(map(_terms, text.split())) > MAX_TERMS:
        raise StanzaError("policy-violation", f"at most {MAX_TERMS} words of {MAX_SEARCHED} characters are looked for")
    return tuple(text.split())


def _terms(word: str) -> int:
    """How many terms the index makes of a word, at least one."""
    return max(1, sum(is_letters for is_letters, _ in groupby(word, str.isalnum)))
