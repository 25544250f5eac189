"""``python -m woodenwaiter.supervisor APP``"""

from ..commands.supervise import main
from ..processes.fork import end_process

end_process(main())
