"""Pages of HTML, made of a template and of texts that stand in one file, in English.

A template is named by its folder in web/: "pages/start.html" is web/pages/templates/start.html. It extends
"pages/base.html", and says nothing by itself: `{{ text("base.skip") }}` is the text of that key in
web/pages/texts.toml, or in the texts.toml of the template's own folder; what it has in braces is given by name. Values
are escaped, in texts too, unless they are Markup.
"""

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import gevent
from gevent.lock import BoundedSemaphore
from jinja2 import Environment, FunctionLoader, StrictUndefined, meta
from markupsafe import Markup, escape

from handlers.discovery.disco_info import DiscoSettings
from web.http.messages import Request, Response
from web.pages import stylesheet

if TYPE_CHECKING:
    from web.site import Site

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # Whatever somebody manages to write into a page, it is neither run nor fetched (docs/security.md row 42).
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    # With no-referrer, browsers would send forms with `Origin: null` (Fetch, section 3.2), which could be anybody's.
    "Referrer-Policy": "same-origin",
}
COMMON = "pages"  # the folder whose texts all templates may use

Texts = Mapping[str, str]


class Templates:
    """The templates that were used so far, by their folders. A server has one."""

    def __init__(self) -> None:
        self._folders: dict[str, _Folder] = {}
        self._compiling = BoundedSemaphore()

    def filled(self, template: str, values: Mapping[str, Any]) -> str:
        """The HTML of a template with these values. Yields when it is used for the first time."""
        folder = self._folders.get(template.partition("/")[0])
        if folder is None or template not in folder.compiled:
            folder = self._compiled(template)

        def text(key: str, **named: object) -> Markup:
            found = folder.texts[key]
            return found.format(**named) if "{" in found else found

        return folder.environment.get_template(template).render(values, text=text)


    def _compiled(self, template: str) -> "_Folder":
        """The template's folder, in which it is compiled now: once, however many ask for it meanwhile. Yields."""
        name = template.partition("/")[0]
        with self._compiling:
            if name not in self._folders:
                self._folders[name] = gevent.get_hub().threadpool.apply(_Folder, (name,))
            folder = self._folders[name]
            if template not in folder.compiled:
                # It takes up to 50 ms, for which nobody else shall wait; all of a folder would keep the loop from
                # running for much longer, though a thread does it.
                gevent.get_hub().threadpool.apply(folder.compile, (template,))
            return folder


class _Folder:
    """The templates of a folder, with their texts. Of those that are `compiled` all is that they are made of."""

    def __init__(self, name: str) -> None:
        self.texts = {key: escape(text) for key, text in {**texts_in(COMMON), **texts_in(name)}.items()}
        self.environment = Environment(
            loader=FunctionLoader(_source),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.compiled = set[str]()

    def compile(self, template: str) -> None:
        """Compile a template, after those that it extends or includes."""
        if template in self.compiled:
            return
        for each in meta.find_referenced_templates(self.environment.parse(_source(template) or "")):
            assert each is not None, f"{template} does not name what it is made of"
            self.compile(each)
        self.environment.get_template(template)
        self.compiled.add(template)


def render(
    site: "Site",
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    cookies: Sequence[str] = (),
    domain: str = "",
    **values: object,
) -> Response:
    """A page, about a domain; as usual the one that was asked for. Its template knows `values`, `text`, and what
    base.html needs: `domain`, `service` (the name of the service), `stylesheet`, `path`, and `root`, which has to stand
    in front of every path in it. Yields when its template is used for the first time."""
    domain, root = domain or site.domain_for(request.host), site.root(request.host)
    own = {
        "domain": domain,
        "service": site.server.settings_at(domain, DiscoSettings).name or domain,
        "stylesheet": root + stylesheet.path(site),
        "root": root,
        "path": request.path,
    }
    content = site.server.state(Templates).filled(template, {**own, **values}).encode()
    return Response(status, content, {**HEADERS, **(headers or {})}, cookies=cookies)


def texts_in(folder: str) -> Texts:
    """The texts of a folder of web/, by keys such as "start.title"."""
    content = resources.files("web").joinpath(folder, "texts.toml").read_text(encoding="utf-8")
    return {f"{part}.{key}": text for part, texts in tomllib.loads(content).items() for key, text in texts.items()}


def _source(template: str) -> str | None:
    """What stands in a template; None if there is none of this name. It may lie in an archive."""
    folder, file = PurePosixPath(template).parts
    path = resources.files("web").joinpath(folder, "templates", file)
    return path.read_text(encoding="utf-8") if path.is_file() else None
