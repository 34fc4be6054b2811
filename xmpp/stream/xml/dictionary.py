"""Has lxml forget the names that it has learnt.

libxml2 keeps each name once, in a dictionary that lxml makes for each thread and shares among all that the thread
parses, so that it would only ever grow. A document holds on to the dictionary that its names are in, and elements may
be moved between documents with different ones: lxml is made for elements of other threads. So a thread may be given a
new dictionary at any time. The old one goes with the last document that was made with it.
"""

import ctypes

from lxml import etree

# Where lxml keeps a thread's dictionary: under this key in the dictionary that Python has for each thread.
_KEY = "_ParserDictionaryContext"

_thread_state = ctypes.pythonapi.PyThreadState_GetDict
_thread_state.argtypes = ()
_thread_state.restype = ctypes.c_void_p  # a borrowed reference, which py_object would take for its own


def renew() -> bool:
    """Give this thread a dictionary with next to nothing in it. False where this lxml keeps it elsewhere."""
    size()  # there is one from now on
    was_there = ctypes.cast(_thread_state(), ctypes.py_object).value.pop(_KEY, None) is not None
    size()  # a new one, or the next parser would share the one that it has used before
    return was_there


def size() -> int:
    """How many names are in this thread's dictionary; makes one if there is none."""
    names: int = etree.memory_debugger.dict_size()  # type: ignore[attr-defined]  # missing in the stubs
    return names
