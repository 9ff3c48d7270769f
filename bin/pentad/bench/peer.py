"""The original server of seed 002, from its package: a schema, then uvicorn with one worker.

peer.py PORT                 serve; SFS_* in the environment configure it
peer.py promote EMAIL        give an account every feature
"""

import asyncio
import os
import sys

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from sessionfs.server.db.models import Base


async def prepare():
    engine = create_async_engine(os.environ["SFS_DATABASE_URL"])
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()


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

    asyncio.run(prepare())
    uvicorn.run(create_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
