"""The original server of seed 002, from its package: a schema, then uvicorn with one worker.

original.py PORT              serve; SFS_* in the environment configure it
original.py promote EMAIL    give an account every feature
"""

import asyncio
import contextlib
import os
import sys

import sessionfs.server.db
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from sessionfs.server.db.models import Base


async def create_all():
    engine = create_async_engine(os.environ["SFS_DATABASE_URL"])
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()


def prepare():
    """Its migrations are for PostgreSQL: the column that it searches is in them alone."""
    if os.environ["SFS_DATABASE_URL"].startswith("sqlite"):
        return asyncio.run(create_all())
    config = Config()
    folder = os.path.join(os.path.dirname(sessionfs.server.db.__file__), "migrations")
    config.set_main_option("script_location", folder)
    config.set_main_option("sqlalchemy.url", os.environ["SFS_DATABASE_URL"])
    # They tell what they did, which is none of the benchmark's output.
    with contextlib.redirect_stdout(sys.stderr):
        command.upgrade(config, "head")


async def promote(email):
    engine = create_async_engine(os.environ["SFS_DATABASE_URL"])
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE users SET tier = 'admin', email_verified = true WHERE email = :email"), {"email": email}
        )
    await engine.dispose()


if sys.argv[1] == "promote":
    asyncio.run(promote(sys.argv[2]))
else:
    import uvicorn

    from sessionfs.server.app import create_app

    prepare()
    uvicorn.run(create_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
