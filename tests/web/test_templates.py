"""Every template renders with every sample, and asks for nothing that its dataclass does not promise."""

from dataclasses import FrozenInstanceError, fields
from html.parser import HTMLParser

import pytest
from jinja2 import Environment, meta, nodes

from server.assets import static_dir, templates_dir
from server.web import views as v
from server.web.render import environment, render, render_partial

from . import samples

SAMPLES = [
    pytest.param(view, id=f"{kind}-{name}")
    for kind, group in (("full", samples.FULL), ("empty", samples.EMPTY), ("broken", samples.BROKEN))
    for name, view in group.items()
]
VIEWS = sorted(v.View.__subclasses__(), key=lambda view: view.template)
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "wbr", "path", "circle", "rect"}


class Page(HTMLParser):
    """Collects tags and attributes, and notes tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        # <option> and <p> may stay open in HTML, but not in ours.
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes something else"


def includes(env: Environment, name: str) -> set[str]:
    """A template and all that it extends or includes (macros get their values as arguments)."""
    tree = env.parse((templates_dir() / name).read_text())
    found = {name}
    for node in tree.find_all((nodes.Extends, nodes.Include)):
        target = node.template  # type: ignore[attr-defined]
        assert isinstance(target, nodes.Const)
        found |= includes(env, target.value)
    return found


@pytest.mark.parametrize("view", SAMPLES)
def test_a_page_is_well_formed(view: v.View) -> None:
    page = Page(render(view))
    assert page.open == []
    assert [tag for tag, _ in page.tags].count("h1") == 1


@pytest.mark.parametrize("view", SAMPLES)
def test_the_refresh_renders_what_the_page_holds(view: v.View) -> None:
    partial, strips, rest = render_partial(view).partition('<div id="strips"')
    assert partial.strip() in render(view)
    assert (strips + rest).strip() in render(view)
    assert (view.partial is None) == ('id="live"' not in partial)


@pytest.mark.parametrize("view", SAMPLES)
def test_ids_are_unique(view: v.View) -> None:
    ids = [attrs["id"] for _, attrs in Page(render(view)).tags if "id" in attrs]
    assert sorted(ids, key=str) == sorted(set(ids), key=str)


@pytest.mark.parametrize("view", SAMPLES)
def test_nothing_breaks_the_content_security_policy(view: v.View) -> None:
    for tag, attrs in Page(render(view)).tags:
        assert tag != "style"
        assert "style" not in attrs
        assert not [name for name in attrs if name.startswith("on")]
        assert tag != "script" or (attrs.get("src") or "").startswith("/static/")


@pytest.mark.parametrize("view", SAMPLES)
def test_every_form_that_writes_carries_the_csrf_token(view: v.View) -> None:
    html = render(view)
    posts = html.count('method="post"')
    assert html.count('<input type="hidden" name="csrf_token" value="sample-csrf-token">') == posts


@pytest.mark.parametrize("view", VIEWS)
def test_templates_use_only_what_their_dataclass_has(view: type[v.View]) -> None:
    env = environment()
    names = {field.name for field in fields(view)} | set(env.globals)  # type: ignore[arg-type]
    for template in includes(env, view.template):
        used = meta.find_undeclared_variables(env.parse((templates_dir() / template).read_text()))
        assert used <= names, template


def test_every_template_belongs_to_a_view() -> None:
    env = environment()
    used = {"_macros.html"}.union(*(includes(env, view.template) for view in VIEWS))
    assert used == {path.name for path in templates_dir().glob("*.html")}


def test_every_view_has_a_docstring_of_its_own() -> None:
    for name, cls in vars(v).items():
        if not isinstance(cls, type) or not hasattr(cls, "__dataclass_fields__"):
            continue
        assert cls.__doc__
        assert "(" + name not in (cls.__doc__ or ""), f"{name} has only the docstring that dataclass makes"


def test_static_files_that_templates_name_are_there() -> None:
    for path in templates_dir().glob("*.html"):
        for part in path.read_text().split('static("')[1:]:
            name = part.split('"')[0]
            assert name.startswith("vendor/") or (static_dir() / name).is_file(), name


def test_views_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        samples.shell().user = "bob"  # type: ignore[misc, unused-ignore]
