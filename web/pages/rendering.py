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
from jinja2 import Environment, FunctionLoader, StrictUndefined
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
    """The folders whose templates were used so far. A server has one."""

    def __init__(self) -> None:
        self._folders: dict[str, _Folder] = {}
        self._compiling = BoundedSemaphore()

    def filled(self, template: str, values: Mapping[str, Any]) -> str:
        """The HTML of a template with these values. Yields when the first template of its folder is used."""
        name = template.partition("/")[0]
        folder = self._folders.get(name) or self._compiled(name)

        def text(key: str, **named: object) -> Markup:
            found = folder.texts[key]
            return found.format(**named) if "{" in found else found

        return folder.environment.get_template(template).render(values, text=text)


    def _compiled(self, name: str) -> "_Folder":
        """The folder, which is made if it is the first time: once, however many ask for it meanwhile. Yields."""
        with self._compiling:
            if name not in self._folders:
                # To compile them takes 100 ms, for which nobody else shall wait.
                self._folders[name] = gevent.get_hub().threadpool.apply(_Folder, (name,))
            return self._folders[name]


class _Folder:
    """The templates of a folder, and the common ones, compiled; with their texts."""

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
        for each in {COMMON, name}:
            for file in resources.files("web").joinpath(each, "templates").iterdir():
                self.environment.get_template(f"{each}/{file.name}")


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
    in front of every path in it. Yields when the first template of its folder is used."""
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
