"""``python -m woodenwaiter``: what operators look at and put right."""

from .commands.hidden import leave_because_of

try:
    from .commands.operate import main
except Exception as error:
    leave_because_of(error)

raise SystemExit(main())
