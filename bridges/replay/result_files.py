"""Files of a replay's results: one for each kind, wholly or not at all."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from streams.errors import ConfigurationError
from streams.records.record_type import Catalogue


class ResultFiles:
    """A file for each kind of result and partition; joined by partition at the end.

    Args:
        folder: Where they are.
        names: Of the files when they are joined.
    """

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self._folder = folder
        self._names = sorted(names)
        self._files: dict[tuple[str, int], IO[bytes]] = {}

    def write(self, name: str, partition: int, line: bytes) -> None:
        """Append a line.

        Args:
            name: Of the file when it is joined.
            partition: Of what is in the line.
            line: Without its end.
        """
        file = self._files.get((name, partition))
        if file is None:
            file = self._files[name, partition] = (self._folder / f"{name}.{partition}").open("wb")
        file.write(line + b"\n")

    def join(self) -> list[Path]:
        """Put the partitions of each kind into one file, in their order."""
        self.close()
        joined = []
        for name in self._names:
            whole = self._folder / name
            with whole.open("wb") as out:
                for _, partition in sorted(key for key in self._files if key[0] == name):
                    with (self._folder / f"{name}.{partition}").open("rb") as part:
                        shutil.copyfileobj(part, out)
            joined.append(whole)
        return joined

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()


class _NoFiles(ResultFiles):
    """Writes nothing."""

    def __init__(self) -> None:
        super().__init__(Path(), ())

    def write(self, name: str, partition: int, line: bytes) -> None:
        """Write nothing."""


@contextmanager
def result_files(folder: Path | None, catalogue: Catalogue) -> Iterator[ResultFiles]:
    """Give files for results, which are there wholly when all went well, and else not at all.

    Args:
        folder: Where they are written; ``None``: nowhere.
        catalogue: Which records a replay makes again.

    Raises:
        ConfigurationError: If the folder cannot be written into.
    """
    if folder is None:
        yield _NoFiles()
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".replay-", dir=folder))
    except OSError as error:
        raise ConfigurationError(f"cannot write into {folder}: {error}") from None
    files = ResultFiles(work, (each.file for each in catalogue.recomputed))
    try:
        yield files
        for whole in files.join():
            whole.replace(folder / whole.name)
    finally:
        files.close()
        shutil.rmtree(work, ignore_errors=True)
