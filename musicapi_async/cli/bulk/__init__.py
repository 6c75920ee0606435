"""``musicapi bulk``: many requests, planned in a journal, made by one worker or several, and resumed after anything.

- ``app.py`` its command line, ``arguments.py`` the options that several commands share; ``group.py`` makes ``run`` the
  default
- ``journals.py`` the journal that a command works on, ``requests_file.py`` the file of requests
- ``plan.py`` plans a file; ``run.py`` plans it and makes its songs, ``work.py`` makes what is planned, ``making.py`` is
  common to both; ``estimate.py`` is a run that sends nothing
- ``migrate.py``, ``status.py``, ``report.py``, ``resolve.py``, ``copying.py`` commands on a journal
- ``events.py`` the events of a run, ``progress.py`` what is shown meanwhile, ``texts.py`` what several commands print
"""

from musicapi_async.cli.bulk.app import bulk_app

__all__ = ["bulk_app"]
