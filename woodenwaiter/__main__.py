"""``python -m woodenwaiter``: what operators look at and put right."""

from .commands.operate import main

raise SystemExit(main())
