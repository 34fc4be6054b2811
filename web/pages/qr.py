"""QR codes (ISO/IEC 18004) of addresses, as pictures that stand in the page itself."""

from collections import OrderedDict

import gevent
import segno
from gevent.lock import BoundedSemaphore

MOST = 100  # that are kept: pages are loaded more than once


class Codes:
    """The codes that pages had last. A server has one."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._making = BoundedSemaphore()

    def of(self, uri: str) -> str:
        """The code of a URI, as a picture in a URI of its own; "" for "". Yields, unless it is kept."""
        if not uri:
            return ""
        code = self._kept.get(uri) or self._made(uri)
        self._kept.move_to_end(uri)
        return code

    def _made(self, uri: str) -> str:
        with self._making:  # once, however many ask for it meanwhile
            if uri not in self._kept:
                # It takes 30 ms, for which nobody else shall wait.
                self._kept[uri] = gevent.get_hub().threadpool.apply(_made, (uri,))
                while len(self._kept) > MOST:
                    self._kept.popitem(last=False)
            return self._kept[uri]


def _made(uri: str) -> str:
    code = segno.make(uri, error="m", micro=False)
    return str(code.svg_data_uri(dark="#000", light="#fff", border=4, omitsize=True))
