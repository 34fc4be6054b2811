"""Private XML (XEP-0049): the elements that an account's clients keep on the server, by name."""

from typing import NamedTuple

from peewee import SQL, BlobField, CompositeKey, Model, TextField, fn

from db.sqlite.database import Database
from db.sqlite.queries import ANY, Prepared


class Usage(NamedTuple):
    """How many elements an account keeps, and how many bytes they and their names have together."""

    elements: int
    bytes: int


class PrivateXML(Model):
    account = TextField()
    element = TextField()
    xml = BlobField()

    class Meta:
        table_name = "private_xml"
        primary_key = CompositeKey("account", "element")


_FIND = Prepared(PrivateXML.select(PrivateXML.xml).where((PrivateXML.account == ANY) & (PrivateXML.element == ANY)))
_USAGE = Prepared(
    PrivateXML.select(
        fn.COUNT(PrivateXML.element),
        fn.COALESCE(fn.SUM(fn.LENGTH(PrivateXML.xml) + fn.LENGTH(PrivateXML.element)), SQL("0")),
    ).where(PrivateXML.account == ANY)
)
_PUT = Prepared(PrivateXML.replace(account=ANY, element=ANY, xml=ANY))


def get(db: Database, account: str, element: str) -> bytes | None:
    """The element of that name, "{namespace}name", or None."""
    row = db.row(_FIND, account, element)
    return row[0] if row else None


def put(db: Database, account: str, element: str, xml: bytes) -> None:
    """Keeps an element, in place of an earlier one of that name. The caller limits their number and bytes."""
    db.write(_PUT, account, element, xml)


def usage(db: Database, account: str) -> Usage:
    """How much an account keeps."""
    [found] = db.rows(_USAGE, account)
    return Usage(*found)
