"""The schema, step by step: migration n leads from version n - 1 (PRAGMA user_version) to n. Steps are never edited."""

from collections.abc import Sequence

from peewee import SqliteDatabase

from db.sqlite.errors import DatabaseTooNew, DatabaseTooOld
from db.sqlite.migrations import (
    v0001_first_schema,
    v0002_archive,
    v0003_push,
    v0004_stream_management,
    v0005_offline_retraction,
    v0006_archive_index,
    v0007_pubsub,
    v0008_directory,
    v0009_accounts,
    v0010_pubsub,
    v0011_bit_by_bit,
    v0012_rooms,
    v0013_room_vcards_and_hats,
    v0014_room_changes,
    v0015_room_visits,
    v0016_passing_rooms,
    v0017_room_subject_author,
    v0018_uploads,
    v0019_administration,
    v0020_guests,
    v0021_strangers,
    v0022_account_looks,
    v0023_reports,
    v0024_invitations,
    v0025_fast_tokens,
    v0026_devices,
    v0027_greetings,
)
from xmpp.data.confusables import look

MIGRATIONS: Sequence[Sequence[str]] = (
    v0001_first_schema.STATEMENTS,
    v0002_archive.STATEMENTS,
    v0003_push.STATEMENTS,
    v0004_stream_management.STATEMENTS,
    v0005_offline_retraction.STATEMENTS,
    v0006_archive_index.STATEMENTS,
    v0007_pubsub.STATEMENTS,
    v0008_directory.STATEMENTS,
    v0009_accounts.STATEMENTS,
    v0010_pubsub.STATEMENTS,
    v0011_bit_by_bit.STATEMENTS,
    v0012_rooms.STATEMENTS,
    v0013_room_vcards_and_hats.STATEMENTS,
    v0014_room_changes.STATEMENTS,
    v0015_room_visits.STATEMENTS,
    v0016_passing_rooms.STATEMENTS,
    v0017_room_subject_author.STATEMENTS,
    v0018_uploads.STATEMENTS,
    v0019_administration.STATEMENTS,
    v0020_guests.STATEMENTS,
    v0021_strangers.STATEMENTS,
    v0022_account_looks.STATEMENTS,
    v0023_reports.STATEMENTS,
    v0024_invitations.STATEMENTS,
    v0025_fast_tokens.STATEMENTS,
    v0026_devices.STATEMENTS,
    v0027_greetings.STATEMENTS,
)


def migrate(sql: SqliteDatabase, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Runs the steps that the file has not seen yet, each in a transaction. Raises DatabaseTooNew."""
    version = sql.user_version
    if version > len(migrations):
        raise DatabaseTooNew(sql.database, version, len(migrations))
    if version < len(migrations):
        sql.register_function(look, "look", 1)
    for number, statements in enumerate(migrations[version:], version + 1):
        with sql.atomic("IMMEDIATE"):
            for statement in statements:
                sql.execute_sql(statement)
            sql.user_version = number


def refuse_older(sql: SqliteDatabase, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """For who may not run steps on what others use. Raises DatabaseTooOld."""
    if sql.user_version < len(migrations):
        raise DatabaseTooOld(sql.database, sql.user_version, len(migrations))
