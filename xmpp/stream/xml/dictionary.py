"""Makes lxml forget the names that it has seen.

libxml2 keeps each name once, in a dictionary that lxml makes for each thread and uses for all that the thread parses,
so it only ever grows. A document keeps alive the dictionary of its names, and elements may be moved between documents
with different dictionaries, as lxml allows for those of different threads. So a thread may be given a new dictionary
at any time; the old one is freed with the last document that was made with it.
"""

import ctypes

from lxml import etree

# Where lxml keeps a thread's dictionary: under this key in the dictionary that Python has for each thread.
_KEY = "_ParserDictionaryContext"

_thread_state = ctypes.pythonapi.PyThreadState_GetDict
_thread_state.argtypes = ()
_thread_state.restype = ctypes.c_void_p  # a borrowed reference, which py_object would take for its own


def renew() -> bool:
    """Give this thread an almost empty dictionary. False if this version of lxml keeps it elsewhere."""
    size()  # makes sure that there is one
    was_there = ctypes.cast(_thread_state(), ctypes.py_object).value.pop(_KEY, None) is not None
    size()  # makes a new one, or the next parser would go on using its old one
    return was_there


def size() -> int:
    """How many names are in this thread's dictionary; makes one if there is none."""
    names: int = etree.memory_debugger.dict_size()  # type: ignore[attr-defined]  # missing in the stubs
    return names
