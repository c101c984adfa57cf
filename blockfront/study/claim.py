"""One orchestrator a study: a claim kept in the study itself, taken by compare-and-swap."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil

from blockfront.errors import UsageError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

KEY = "claim"
BEAT_SECONDS = 15.0
STALE_SECONDS = 90.0


@contextmanager
def hold(storage: RDBStorage, study: str) -> Iterator[None]:
    """Hold the study while the block runs; raises UsageError when another live process holds it.

    A holder that died on this machine frees the study at once; one on another machine when its claim has not
    been renewed for 90 s.
    """
    study_id = storage.get_study_id_from_name(study)
    before = storage.get_study_user_attrs(study_id).get(KEY)
    if before and _alive(before):
        raise UsageError(_refusal(study, before))
    claim = _claim()
    if not _swap(storage, study_id, before, claim):
        holder = storage.get_study_user_attrs(study_id).get(KEY) or claim
        raise UsageError(_refusal(study, holder))
    stop = threading.Event()
    beat = threading.Thread(target=_renew, args=(storage, study_id, claim, stop), daemon=True)
    beat.start()
    try:
        yield
    finally:
        stop.set()
        beat.join()
        _release(storage, study_id, claim)


def _claim() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "beat": time.time(),
    }


def _alive(claim: dict[str, Any]) -> bool:
    if claim["host"] != socket.gethostname():
        return bool(time.time() - claim["beat"] < STALE_SECONDS)
    try:
        return abs(psutil.Process(claim["pid"]).create_time() - claim["started"]) < 1
    except psutil.Error:
        return False


def _refusal(study: str, claim: dict[str, Any]) -> str:
    return (
        f"study {study!r} is being run by process {claim['pid']} on {claim['host']}; "
        "wait for it, stop it, or name another with --study"
    )


def _swap(storage: RDBStorage, study_id: int, old: Any, new: Any) -> bool:
    """Write `new` if the study's claim still reads `old`; the database makes it atomic."""
    from optuna.storages._rdb.models import StudyUserAttributeModel as Attribute
    from sqlalchemy import insert, update
    from sqlalchemy.exc import IntegrityError

    row = {"study_id": study_id, "key": KEY}
    try:
        with storage.engine.begin() as connection:
            statement = (
                update(Attribute).filter_by(**row, value_json=json.dumps(old)).values(value_json=json.dumps(new))
            )
            if connection.execute(statement).rowcount == 1:
                return True
            if old is None:
                connection.execute(insert(Attribute).values(**row, value_json=json.dumps(new)))
                return True
            return False
    except IntegrityError:
        return False


def _renew(storage: RDBStorage, study_id: int, claim: dict[str, Any], stop: threading.Event) -> None:
    from optuna.exceptions import StorageInternalError

    while not stop.wait(BEAT_SECONDS):
        old = dict(claim)
        claim["beat"] = time.time()
        try:
            storage.set_study_user_attr(study_id, KEY, claim)
        except StorageInternalError:
            claim.update(old)


def _release(storage: RDBStorage, study_id: int, claim: dict[str, Any]) -> None:
    """Best effort: on a full disk the claim stays, and dies with this process."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        _swap(storage, study_id, claim, None)
    except SQLAlchemyError:
        return
