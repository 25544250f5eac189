"""``python -m woodenwaiter.supervisor APP``"""

import signal

from ..commands.hidden import leave_because_of

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback while there is nothing to drain
try:
    from ..commands.supervise import main
    from ..processes.fork import end_program
except Exception as error:
    leave_because_of(error)

end_program(main())
