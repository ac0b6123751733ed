"""Write the pages of the reference that follow from the code: ``python docs/make_reference.py``.

``--check`` writes nothing, and fails if a page is not what the code says now.
"""

import inspect
import sys
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from agents.web.routes import Route, table_of  # noqa: E402
from bridges.process import metrics  # noqa: E402
from bridges.process.section import Section  # noqa: E402
from bridges.process.settings import Settings  # noqa: E402
from streams.records import types as records  # noqa: E402
from streams.records.catalogue import CATALOGUE  # noqa: E402
from streams.records.record_type import DAY_MS, Catalogue, TopicSpec  # noqa: E402

_TABLE_HEAD = ("| variable | default | meaning |", "|---|---|---|")
HEAD = "<!-- made by docs/make_reference.py; change the code, then run it -->\n"


def settings_page() -> str:
    """List every setting with its variable, type, default and meaning."""
    lines = [
        HEAD,
        "# Settings",
        "",
        "A setting comes from, first found wins: the environment variable, a file that `<VARIABLE>_FILE` names (for",
        "secrets), the TOML file that `WEIR_CONFIG` names, the default. A name that does not exist is refused.",
        "",
    ]
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            lines += [
                f"## {name}",
                "",
                _one_line(kind.__doc__),
                "",
                "| variable | default | meaning |",
                "|---|---|---|",
            ]
            lines += [
                f"| `WEIR_{name}__{each}`".upper() + f" | {_default(item)} | {_one_line(item.description)} |"
                for each, item in kind.model_fields.items()
            ]
            lines.append("")
    lines += ["## Others", "", *_TABLE_HEAD]
    for name, field in Settings.model_fields.items():
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, Section)):
            lines.append(f"| `WEIR_{name.upper()}` | {_default(field)} | {_one_line(field.description)} |")
    return "\n".join([*lines, ""])


def _default(field: typing.Any) -> str:
    value = field.default
    if value is PydanticUndefined:
        value = field.default_factory() if field.default_factory else "required"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value == "":
        return "none"
    if isinstance(value, frozenset):
        value = tuple(sorted(value))
    if isinstance(value, tuple):
        value = ", ".join(str(each) for each in value)
    return f"`{value}`" if value != "" else "none"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("``", "`").replace("|", "\\|")


def topics_page(catalogue: Catalogue = CATALOGUE) -> str:
    """List the Kafka topics."""
    lines = [
        HEAD,
        "# Kafka topics",
        "",
        "All names carry the prefix `WEIR_KAFKA__NAMESPACE`; all have `WEIR_KAFKA__PARTITIONS` partitions. Keys go",
        "to partitions by Kafka's default partitioner (murmur2), so that a sensor's readings, state and results stand",
        "in partitions of the same number. Values are JSON: see [records](records.md).",
        "",
        "| topic | key | holds | kept | collection of MongoDB |",
        "|---|---|---|---|---|",
    ]
    for topic in catalogue.topics:
        here = [each for each in catalogue if each.topic == topic]
        holds = " or ".join(each.kind.__name__ for each in here)
        collections = ", ".join(f"`{each.collection}`" for each in here if each.kept) or "none"
        lines.append(f"| `{topic.name}` | {topic.key} | {holds} | {_kept(topic)} | {collections} |")
    lines += [
        "",
        "The worker's state stands in `<namespace><application>-windows-changelog`, `…-models-changelog`,",
        "`…-alarms-changelog` and `…-taken_actions-changelog`: compacted, one row a sensor, in segments of",
        "32 MiB ([why](../decisions/0008-recovery-in-batches.md));",
        "of a row often only what has changed is written, under the sensor's id and a NUL",
        "([why](../decisions/0007-write-what-changed.md)). Results and state are written in",
        "transactions: read them with `isolation.level=read_committed`.",
        "",
    ]
    return "\n".join(lines)


def _kept(topic: TopicSpec) -> str:
    return "for ever" if topic.retention_ms < 0 else f"{topic.retention_ms // DAY_MS} days"


def records_page(catalogue: Catalogue = CATALOGUE) -> str:
    """Describe the records, from their docstrings."""
    lines = [HEAD, "# Records", "", _one_line(records.__doc__), ""]
    for each in catalogue:
        kind = each.kind
        lines += [f"## {kind.__name__}", "", "```", inspect.cleandoc(kind.__doc__ or ""), "```", ""]
        lines += ["| field | type |", "|---|---|"]
        lines += [f"| `{field.name}` | `{_type(field.type)}` |" for field in msgspec.structs.fields(kind)]
        lines.append("")
    return "\n".join(lines)


def _type(kind: typing.Any) -> str:
    """Name a type without the bounds of its values, which the text above it tells."""
    if typing.get_origin(kind) is typing.Annotated:
        return _type(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return " or ".join(_type(each) for each in typing.get_args(kind)).replace("NoneType", "None")
    text = kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind)
    return text.replace("typing.", "")


def metrics_page() -> str:
    """List the metrics of all processes."""
    lines = [
        HEAD,
        "# Metrics",
        "",
        "Prometheus, at `/metrics` of each process: the bridge on 9108, the worker on 3000, model analysis on 8010.",
        "",
        "| name | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for each in vars(metrics).values():
        if hasattr(each, "_labelnames") and hasattr(each, "_documentation"):
            name = each._name + ("_total" if each._type == "counter" else "")
            labels = ", ".join(f"`{label}`" for label in each._labelnames) or "none"
            lines.append(f"| `{name}` | {each._type} | {labels} | {_one_line(each._documentation)} |")
    return "\n".join([*lines, ""])


def cli_page() -> str:
    """Show the help of every command."""
    from agents.cli import main

    lines = [HEAD, "# Commands", "", "`weir COMMAND`, or `python -m agents COMMAND`.", ""]
    context = click.Context(main, info_name="weir", terminal_width=100)
    for path, command, parent in _commands(main, context):
        with click.Context(
            command, info_name=path.rsplit(" ", 1)[-1], parent=parent, terminal_width=100
        ) as own:
            lines += [f"## {path}", "", "```", command.get_help(own).rstrip(), "```", ""]
    return "\n".join(lines)


def _commands(
    group: click.Group, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        yield f"{context.command_path} {name}", command, context
        if isinstance(command, click.Group):
            yield from _commands(command, click.Context(command, info_name=name, parent=context))


def _with_pages(name: str, routes: Sequence[Route]) -> str:
    """Return a page that people write, with the table of routes in it as the code has it."""
    text = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    before, begin, rest = text.partition("<!-- pages: made by docs/make_reference.py -->\n")
    _, end, after = rest.partition("<!-- end of pages -->\n")
    if not begin or not end:
        raise SystemExit(f"docs/reference/{name} has no place for the table of pages")
    return "".join([before, begin, "\n", "\n".join(table_of(routes)), "\n\n", end, after])


def http_page() -> str:
    """Show the pages of the worker."""
    from agents.views.worker_routes import ROUTES

    return _with_pages("http.md", ROUTES)


def insights_page() -> str:
    """Show the pages of the analysis."""
    from agents.analysis.analysis_pages import ROUTES

    return _with_pages("insights.md", ROUTES)


PAGES = {
    "http.md": http_page,
    "insights.md": insights_page,
    "settings.md": settings_page,
    "topics.md": topics_page,
    "records.md": records_page,
    "metrics.md": metrics_page,
    "cli.md": cli_page,
}


def main() -> int:
    """Write the pages, or compare them."""
    stale = []
    for name, make in PAGES.items():
        path, text = ROOT / "docs" / "reference" / name, make()
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        print(
            f"docs/reference is not what the code says: {', '.join(stale)}; run python docs/make_reference.py"
        )
    return bool(stale)


if __name__ == "__main__":
    raise SystemExit(main())
