"""Private XML (XEP-0049): what an account's clients keep, by the name of its element."""

from peewee import BlobField, CompositeKey, Model, TextField, fn

from db.database import Database
from db.queries import ANY, Prepared


class PrivateXML(Model):
    account = TextField()
    element = TextField()
    xml = BlobField()

    class Meta:
        table_name = "private_xml"
        primary_key = CompositeKey("account", "element")


_FIND = Prepared(PrivateXML.select(PrivateXML.xml).where((PrivateXML.account == ANY) & (PrivateXML.element == ANY)))
_COUNT = Prepared(PrivateXML.select(fn.COUNT(PrivateXML.element)).where(PrivateXML.account == ANY))
_PUT = Prepared(PrivateXML.replace(account=ANY, element=ANY, xml=ANY))


def get(db: Database, account: str, element: str) -> bytes | None:
    """The element of that name, "{namespace}name", or None."""
    row = db.row(_FIND, account, element)
    return row[0] if row else None


def put(db: Database, account: str, element: str, xml: bytes) -> None:
    """Keeps an element instead of an earlier one of that name. The caller bounds their count."""
    db.write(_PUT, account, element, xml)


def count(db: Database, account: str) -> int:
    """How many elements an account keeps."""
    [(found,)] = db.rows(_COUNT, account)
    return int(found)
