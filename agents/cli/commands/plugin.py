"""``weir plugin``: what installed packages bring, and the proof that a decoder keeps its promises."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.cli.near_group import NearGroup

if TYPE_CHECKING:
    from bridges.plugins.loading import EntryPoint
    from bridges.plugins.proving import Proof

_EXAMPLES = """
\b
Examples:
  weir plugin list
  weir plugin check weir_probe:decode --sample probe.bin
  weir plugin check probe
"""
_SHOWN_BYTES = 48


@click.group(cls=NearGroup, epilog=_EXAMPLES)
def plugin() -> None:
    """Show the decoders and maps that installed packages bring, and prove that a decoder may be let into the bridge.

    docs/howto/write-a-decoder.md shows how to write one.
    """


@plugin.command(name="list", epilog="\b\nExample:\n  weir plugin list")
def list_() -> None:
    """List what installed packages bring; the exit code is 2 if something of it cannot be loaded."""
    from bridges.plugins.loading import DECODERS, MAPS, decoder_of, entries, maps_of

    for entry in entries(DECODERS):
        decoder_of(entry)
        click.echo(f"decoder {entry.name}: of {entry}")
    for entry in entries(MAPS):
        names = ", ".join(each.name for each in maps_of(entry))
        click.echo(f"maps {entry.name}: {names}, of {entry}")
    if not entries(DECODERS) and not entries(MAPS):
        click.echo("no installed package brings decoders or maps")


_CHECK = """
\b
Examples:
  weir plugin check weir_probe:decode --sample probe.bin
  weir plugin check probe --sample a.bin --sample b.bin --count 20000 --seed 7
"""


@plugin.command(epilog=_CHECK)
@click.argument("what", metavar="MODULE:NAME|ENTRY")
@click.option(
    "--sample", "samples", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with a payload as a device sends it: it must be read, and is changed to make others. "
    "May be given several times.",
)  # fmt: skip
@click.option("--count", type=click.IntRange(0, 1_000_000), default=2000, show_default=True,
              help="How many changed payloads are tried beside the fixed ones.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Decides the changes.")
def check(what: str, samples: tuple[Path, ...], count: int, seed: int) -> None:
    """Try a decoder on thousands of payloads: is it deterministic, bounded, and free of undocumented errors?

    MODULE:NAME is a function, also of a module in the current folder; ENTRY what an installed package brings by that
    name. Each payload is decoded in two processes, with other hash seeds and time zones and in the opposite order. Of
    an entry of maps its maps are checked, as by `weir map check`.

    The exit code is 1 if a promise is not kept, and 2 if it cannot be loaded.
    """
    from bridges.plugins.loading import DECODERS, MAPS, decoder_of, entries
    from bridges.plugins.proving import prove
    from streams.errors import ConfigurationError

    target, well = what, True
    if ":" not in what:
        decoders = [each for each in entries(DECODERS) if each.name == what]
        maps = [each for each in entries(MAPS) if each.name == what]
        if not decoders and not maps:
            there_are = sorted({each.name for group in (DECODERS, MAPS) for each in entries(group)})
            raise ConfigurationError(
                f"no installed package brings a decoder or maps of the name {what!r}; there are "
                f"{', '.join(there_are) or 'none'}. A function is named as MODULE:NAME"
            )
        for entry in maps:
            well = _check_maps(entry) and well
        if not decoders:
            raise SystemExit(0 if well else 1)
        decoder_of(decoders[0])
        target = decoders[0].target
    proof = prove(target, [file.read_bytes() for file in samples], count=count, seed=seed)
    _tell(proof, seed)
    raise SystemExit(0 if well and not proof.faults else 1)


def _check_maps(entry: "EntryPoint") -> bool:
    """Say what is to be said of a package's maps; whether nothing must be mended."""
    from bridges.maps.map_files import maps_in_force
    from bridges.plugins.loading import maps_of
    from bridges.process import settings as all_settings
    from streams.payloads.maps.checking import remarks

    given = maps_of(entry)
    names = {each.name for each in given}
    rules = [rule for rule, _ in maps_in_force(all_settings.load(), *given).rules]
    looked_at = [rule for rule in rules if rule.map_name in names]
    found = remarks(looked_at, [rule for rule in rules if rule.map_name not in names])
    for remark in found:
        click.echo(f"{'mend' if remark.wrong else 'know'}: {remark.map}, rule {remark.rule}: {remark.text}")
    click.echo(f"{len(looked_at)} rules of {len(names)} maps looked at")
    return not any(remark.wrong for remark in found)


def _tell(proof: "Proof", seed: int) -> None:
    """Print what was found."""
    outcomes = dict(proof.outcomes)
    read = outcomes.pop("read", 0)
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(outcomes.items()))
    click.echo(f"{proof.payloads:,} payloads (seed {seed}), each decoded in two processes")
    click.echo(
        f"  read: {read:,}; refused: {sum(outcomes.values()):,}" + (f" ({reasons})" if reasons else "")
    )
    click.echo(
        f"  of 1 kB and more at most {proof.values_per_byte:.2f} values and {proof.microseconds_per_byte:.2f} µs a byte"
    )
    for fault in proof.faults:
        payload = fault.payload
        more = f" … {len(payload):,} bytes" if len(payload) > _SHOWN_BYTES else ""
        click.echo(f"{fault.kind}: {fault.text}")
        click.echo(f"  payload: {payload[:_SHOWN_BYTES].hex() or '(empty)'}{more}")
    if not proof.faults:
        click.echo("proven: the same of the same bytes, bounded, and no undocumented error")
