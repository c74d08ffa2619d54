"""What a process records as it ends: the exception that ends it or a fold, and that Python shut down.

A process that a signal or ``os._exit`` ends records neither: so a process that is gone without them was ended.
"""

from __future__ import annotations

import os

from telemetry.interruption import class_name, message_of, traceback_of
from telemetry.masking import mask_forms

RAISED = "raised"
"""The event of an exception."""
ATTRIBUTED = "attributed"
"""The event of what was found out about the code at work."""
ENDED = "interpreter_ended"
"""The event of an interpreter that shuts down, whatever its exit status will be."""
_RECORDED = "_foldwatch_recorded"
"""The attribute of an exception that is in the journal already."""
MESSAGE_KEPT = 500
"""Characters of an exception's message."""


def describe(error: BaseException) -> dict[str, str]:
    """Return the facts of the event: the exception's class, its message, and where it was raised.

    Args:
        error: Any exception; one whose message cannot be made is told without.
    """
    facts = {
        "exception": class_name(error),
        "message": mask_forms(message_of(error)[:MESSAGE_KEPT]),
    }
    trace = traceback_of(error)
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:
        code = trace.tb_frame.f_code
        facts["frame"] = f"{os.path.basename(code.co_filename)}:{trace.tb_lineno} in {code.co_name}"
    return facts


def is_failure(error: BaseException) -> bool:
    """Whether an exception says that something failed or was interrupted; an exit with 0 does not."""
    return not (isinstance(error, SystemExit) and error.code in {None, 0})


def marked(error: BaseException) -> bool:
    """Mark an exception as recorded; return whether it was before. Its class may refuse attributes: a frozen dataclass."""
    attributes: dict[str, object] = BaseException.__getattribute__(error, "__dict__")
    was_marked = _RECORDED in attributes
    attributes[_RECORDED] = True
    return was_marked
