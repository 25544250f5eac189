"""``python -m woodenwaiter.supervisor APP``"""

from ..commands.supervise import main
from ..processes.fork import end_program

end_program(main())
