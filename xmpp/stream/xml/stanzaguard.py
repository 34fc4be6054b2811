"""Checks a stream before lxml sees it, tag by tag: its limits, its encoding, its restrictions.

Bytes come in as the network cuts them, and leave as whole stanzas. Blank text between stanzas is removed, and CDATA is
replaced by the text that it stands for.
"""

import re
from codecs import utf_8_decode

from xmpp.data.errors import StreamError
from xmpp.stream.xml.nameguard import (
    BLANK,
    CDATA_START,
    TAG,
    NameGuard,
    XMLLimits,
    check_references,
    has_whole_tag,
    tag_of,
)

TAG_BYTES = 65_536  # an unfinished tag is looked at again with each read, so it has a limit of its own
CDATA_END = b"]]>"

# libxml2 keeps blank text of 16 to 59 characters before a tag as it keeps names; a CRLF in front counts as one.
INTERNED_BLANKS = range(16, 61)
SPACE = 0x20


class StanzaGuard:
    """Lets through what may come in a stream after its header.

    `refusal` is set when the stream must be closed, `is_closed` when the client has closed it; nothing after that is
    let through. `begun` is the start tag of a stanza that began, and did not end, in what was admitted last; else it
    is empty.
    """

    __slots__ = (
        "refusal", "is_closed", "begun", "_limits", "_names", "_root", "_held", "_unfinished", "_open", "_depth",
        "_elements", "_size", "_in_cdata",
    )  # fmt: skip

    def __init__(self, limits: XMLLimits, names: NameGuard, root: bytes) -> None:
        self.refusal: StreamError | None = None
        self.is_closed = False
        self.begun = b""
        self._limits = limits
        self._names = names
        self._root = root  # the name of the stream's root, as the client wrote it
        self._held = b""
        self._unfinished = bytearray()  # the part of the current stanza that has come
        self._open: list[bytes] = []  # the elements in it that have not been closed
        self._depth = 0
        self._elements = 0
        self._size = 0
        self._in_cdata = False

    @property
    def is_between_stanzas(self) -> bool:
        """True if nothing has come of a stanza that is not complete."""
        return not (self._depth or self._held or self._in_cdata)

    def widen(self, limits: XMLLimits) -> None:
        """Let these limits hold from now on."""
        self._limits = limits

    def admit(self, data: bytes) -> list[bytes]:
        """Take bytes; returns the stanzas that they complete, each as it was written. Sets `refusal`, never raises."""
        if self._held:
            data, self._held = self._held + data, b""
        if not data.isascii():
            data, self._held = self._whole_characters(data)
        if not data.endswith(b">"):
            data, loose_end = _without_loose_end(data)
            self._held = loose_end + self._held
        pieces = data.split(b"<")  # the rest of a text, then in each piece a tag and the text after it
        size = len(data)
        if self._in_cdata or CDATA_START in data:
            pieces = self._unwrap_cdata(pieces)
            size = sum(map(len, pieces)) + len(pieces)
        if pieces[-1] not in self._names.known_tags:
            self._hold_unfinished_tag(pieces)
        whole: list[bytes] = []
        self._walk(pieces, size, b"&" in data, whole)
        return whole

    # -- where the bytes are cut

    def _whole_characters(self, data: bytes) -> tuple[bytes, bytes]:
        try:
            end = utf_8_decode(data, "strict", False)[1]
        except UnicodeDecodeError as error:  # RFC 6120 section 4.9.3.22
            self.refusal = StreamError("unsupported-encoding", "not UTF-8")
            end = error.start
        return data[:end], data[end:]

    def _unwrap_cdata(self, pieces: list[bytes]) -> list[bytes]:
        plain: list[bytes] = []
        for piece in pieces:
            if self._in_cdata:
                content = b"<" + piece if plain else piece
                plain = plain or [b""]
            elif piece.startswith(CDATA_START) and (len(plain) == 1 or (plain and TAG.match(plain[-1]))):
                content = piece[len(CDATA_START) :]
            else:
                plain.append(piece)
                continue
            content, end, text = content.partition(CDATA_END)
            self._in_cdata = not end
            plain[-1] += _escaped(content) + text
        return plain

    def _hold_unfinished_tag(self, pieces: list[bytes]) -> None:
        last = pieces[-1]
        if len(pieces) == 1 or has_whole_tag(last):
            return
        self._held = b"<" + pieces.pop() + self._held
        if len(self._held) > min(TAG_BYTES, self._limits.stanza_bytes):
            self.refusal = StreamError("policy-violation", "too long a tag")

    # -- what is checked

    def _walk(self, pieces: list[bytes], size: int, has_references: bool, whole: list[bytes]) -> None:
        """Follow the tags in and out of stanzas, and add each stanza that ends to `whole`.

        The hot loop, so in one piece. Most tags are recognised by the first look-up, and a stanza's size is counted
        only if it might be over a limit.
        """
        guard = self._names
        known, read_tag, max_depth = guard.known_tags, guard.read_tag, self._limits.depth
        depth = self._depth
        # True if a stanza that ends in these pieces may be over a limit, so that each has to be weighed.
        is_tight = self._size + size >= self._limits.stanza_bytes
        is_tight = is_tight or self._elements + len(pieces) > self._limits.elements
        start = 1  # where the current stanza begins
        stray = b""  # text between stanzas
        self.begun = b""
        try:
            if pieces[0]:
                self._continue_text(pieces[0])
            for at, piece in enumerate(pieces[1:], 1):
                step = known.get(piece)
                if step is None:
                    if has_references:  # checked before the tag is remembered
                        check_references(tag_of(piece))
                    step, end = read_tag(piece)
                    if end < len(piece):
                        if depth + step < 1:
                            pieces[at], stray = piece[:end], piece[end:]
                        elif has_references:
                            check_references(piece[end:])
                        if not stray and piece[end] <= SPACE:
                            self._charge_blanks(piece[end:])
                depth += step
                if depth > max_depth:
                    raise StreamError("policy-violation", "too deeply nested")
                if depth < 1:
                    if depth < 0:
                        self._close(pieces[at])
                        return
                    if is_tight:
                        self._weigh(pieces[start : at + 1])
                    stanza = b"<" + b"<".join(pieces[start : at + 1])
                    whole.append(self._finished(stanza) if self._open else stanza)
                    start, guard.spent, self._size, self._elements = at + 1, 0, 0, 0
                    if stray:
                        _check_stray(stray)
                        stray = b""
            if depth:
                self._weigh(pieces[start:])
                self._keep(pieces[start:])
        except StreamError as error:
            self.refusal = error
        self._depth = depth

    def _finished(self, rest: bytes) -> bytes:
        """The current stanza, which ends with these bytes."""
        stanza = bytes(self._unfinished) + rest
        self._unfinished = bytearray()
        self._open.clear()
        return stanza

    def _keep(self, pieces: list[bytes]) -> None:
        """Keep these pieces until the rest of their stanza comes. Raises StreamError if that can never be
        well-formed."""
        tags = [match for match in map(TAG.match, pieces) if match is not None]
        if tags and not self._open:
            self.begun = b"<" + tags[0][0]
        for slash, name, _, empty in (tag.groups() for tag in tags):
            if not slash and not empty:
                self._open.append(name)
            elif slash and self._open.pop() != name:
                raise StreamError("not-well-formed", "an end tag for another element")
        if pieces:
            self._unfinished += b"<" + b"<".join(pieces)

    def _weigh(self, pieces: list[bytes]) -> None:
        """Count these pieces as part of the current stanza. Raises StreamError if it is too large."""
        self._size += sum(map(len, pieces)) + len(pieces)
        self._elements += sum(not piece.startswith(b"/") for piece in pieces)
        if self._size > self._limits.stanza_bytes or self._elements > self._limits.elements:
            raise StreamError("policy-violation", "too large a stanza")

    def _continue_text(self, text: bytes) -> None:
        if self._depth == 0:
            _check_stray(text)
            return
        check_references(text)
        self._charge_blanks(text)
        self._size += len(text)
        self._unfinished += text

    def _charge_blanks(self, text: bytes) -> None:
        if len(text) in INTERNED_BLANKS and not text.strip(BLANK):
            self._names.charge([text])

    def _close(self, tag: bytes) -> None:
        if tag[1:-1].rstrip(BLANK) != self._root:
            raise StreamError("not-well-formed", "an end tag without a start")
        self.is_closed = True


def _check_stray(text: bytes) -> None:
    if text.strip(BLANK):
        raise StreamError("bad-format", "text between stanzas")


def _without_loose_end(data: bytes) -> tuple[bytes, bytes]:
    """Cut off the end if it can only be judged together with what follows: blanks, a reference, the end of CDATA."""
    match = _LOOSE_END.search(data, max(0, len(data) - INTERNED_BLANKS.stop + 1))
    return (data[: match.start()], match[0]) if match else (data, b"")


def _escaped(text: bytes) -> bytes:
    return text.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")


_LOOSE_END = re.compile(rb"(?:[ \t\r\n]+|&[#0-9A-Za-z]{0,10}|\]{1,2})\Z")
