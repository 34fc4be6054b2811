"""Queries, as peewee writes them, made into SQL once: peewee takes many times as long for that as SQLite to run it."""

from peewee import SQL, Query, SqliteDatabase

ANY = SQL("?")
"""Stands where a value comes in; values are given in the order these stand in the SQL."""

_DIALECT = SqliteDatabase(None)


class Prepared:
    """The SQL of a query. In an INSERT the columns stand in the order of the model's fields."""

    __slots__ = ("text",)

    def __init__(self, query: Query) -> None:
        self.text, values = _DIALECT.get_sql_context().parse(query)
        if values:
            raise ValueError(f"a prepared query has ANY for every value: {self.text}")
