"""``python -m woodenwaiter.supervisor APP``"""

from ..commands.supervise import main
from ..processes.fork import leave

leave(main())
