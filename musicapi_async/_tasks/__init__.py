"""Tasks of the service: submissions, waiting, runs, and the poller behind them.

- ``submission.py`` a paid request, ``task.py`` the task that it starts, ``run.py`` many of them (``background.py``);
  ``accepted.py`` a task as ``on_accepted`` gets it
- ``poller.py`` polls what is waited for: ``entry.py`` its record of a task, ``schedule.py`` when its polls are due,
  ``intervals.py`` how far apart (``timing.py`` estimates that), ``fetching.py`` a single poll
- ``state.py`` the state of a task, ``progress.py`` how it is read for each result type
- ``events.py`` the events of tasks, ``inbox.py`` those that another process received;
  ``reported.py`` who waits for them
- ``unfinished.py`` the tasks that a client names when it closes; ``shown.py`` progress in a notebook
"""
