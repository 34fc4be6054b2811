"""Queries, written with peewee and made into SQL once, which takes many times as long as SQLite takes to run them."""

from peewee import SQL, Query, SqliteDatabase

ANY = SQL("?")
"""Stands for a value of a prepared query; values are given in the order in which these stand in the SQL."""

_DIALECT = SqliteDatabase(None)


class Prepared:
    """The SQL of a query. In an INSERT, columns and values are in the order of the model's fields."""

    __slots__ = ("text",)

    def __init__(self, query: Query) -> None:
        self.text, values = _DIALECT.get_sql_context().parse(query)
        if values:
            raise ValueError(f"a prepared query has ANY for every value: {self.text}")
